/** A program that is killed while a process of its pool is in a loop that never ends. */
import * as Effect from "effect/Effect"
import { ThreadPool } from "ostinato"
import { Announce } from "./tasks.ts"

await Effect.runPromise(
  Effect.scoped(Effect.flatMap(ThreadPool.make({ isolation: "process" }), ({ run }) => run(Announce, {})))
)
