/** A program that is told to stop while its pool has work: 20 tasks of 50 ms on two slots. Says "ready", then how many completed. */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { TaskPool } from "ostinato"

let completed = 0

const program = Effect.gen(function*() {
  // closes after the pool
  yield* Effect.addFinalizer(() => Effect.suspend(() => Console.log(`completed ${completed}`)))
  const pool = yield* TaskPool.make({ name: "stopping", capacity: 2 })
  for (let n = 0; n < 20; n++) {
    yield* pool.submit(Effect.andThen(Effect.sleep("50 millis"), Effect.sync(() => completed += 1)))
  }
  yield* Console.log("ready")
  return yield* Effect.never
})

NodeRuntime.runMain(Effect.scoped(program))
