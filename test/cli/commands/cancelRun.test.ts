import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import * as TestConsole from "effect/testing/TestConsole"
import { ask } from "../../../src/cli/commands/cancelRun.ts"
import * as ExitCode from "../../../src/cli/ExitCode.ts"
import * as Dispatch from "../../../src/core/Dispatch.ts"
import * as MemoryRunLog from "../../../src/core/MemoryRunLog.ts"
import { RunLog } from "../../../src/core/RunLog.ts"
import * as Task from "../../../src/core/Task.ts"

const by = (run: string, actor?: string, reason?: string) => ({
  run,
  actor: Option.fromUndefinedOr(actor),
  reason: Option.fromUndefinedOr(reason)
})

/** The code that the command would end with. */
const code = <A, E, R>(work: Effect.Effect<A, E, R>) =>
  Effect.match(Effect.sandbox(work), { onFailure: ExitCode.ofCause, onSuccess: () => 0 })

const Live = Layer.merge(MemoryRunLog.layer(), Logger.layer([]))

describe("runs cancel", () => {
  it.effect("D.9 cancels a run with actor and reason, says so to whoever asks again, and refuses one that has ended", () =>
    Effect.gen(function*() {
      const log = yield* RunLog
      const [begun, stopping, go] = [yield* Latch.make(), yield* Latch.make(), yield* Latch.make()]
      const Long = Task.fn("test.long", {}, () =>
        Effect.gen(function*() {
          yield* Effect.addFinalizer(() => Effect.andThen(stopping.open, go.await))
          yield* begun.open
          return yield* Effect.never
        }))
      const running = yield* Effect.forkChild(
        Effect.flatMap(Dispatch.here(Long, {}, { kind: "code" }), (ref) => Effect.exit(ref.await))
      )
      yield* begun.await
      const [open] = yield* log.list({})
      const id = open?.id ?? assert.fail("no run")
      yield* ask(by(id, "ada", "wrong branch"))
      yield* stopping.await
      yield* ask(by(id, "bob"))
      yield* go.open
      yield* Fiber.join(running)
      assert.deepStrictEqual(yield* TestConsole.logLines, [
        `test.long is asked to stop by ada: wrong branch (run ${id})`,
        `test.long was already asked to stop by ada: wrong branch (run ${id})`
      ])
      assert.deepInclude(yield* log.get(id), {
        status: "cancelled",
        cancellation: { actor: "ada", reason: "wrong branch" }
      })
      const over = yield* Effect.flip(ask(by(id)))
      assert.strictEqual(over.message, `run ${id} has ended as cancelled: there is nothing to cancel`)
      assert.strictEqual(yield* code(ask(by(id))), 1)
    }).pipe(Effect.provide(Live)))

  it.effect("ends with 3 where there is no such run, and names the id", () =>
    Effect.gen(function*() {
      assert.include((yield* Effect.flip(ask(by("none")))).message, `no run has the id "none"`)
      assert.strictEqual(yield* code(ask(by("none"))), 3)
    }).pipe(Effect.provide(Live)))
})
