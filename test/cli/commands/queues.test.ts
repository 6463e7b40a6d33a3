import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/testing/TestClock"
import * as TestConsole from "effect/testing/TestConsole"
import { Supervisor, Task } from "ostinato"
import * as JobQueue from "ostinato/jobs/JobQueue"
import * as JobWorker from "ostinato/jobs/JobWorker"
import * as MemoryJobStore from "ostinato/jobs/stores/Memory"
import { QueueSummary } from "ostinato/service/QueuesApi"
import * as DrainQueue from "../../../src/cli/commands/drainQueue.ts"
import * as LimitQueue from "../../../src/cli/commands/limitQueue.ts"
import * as ListQueues from "../../../src/cli/commands/listQueues.ts"
import * as PauseQueue from "../../../src/cli/commands/pauseQueue.ts"
import * as RemoveQueue from "../../../src/cli/commands/removeQueue.ts"
import * as ShowQueue from "../../../src/cli/commands/showQueue.ts"
import * as ExitCode from "../../../src/cli/ExitCode.ts"

const Mail = Task.make("test.mail")

const Live = MemoryJobStore.layer.pipe(Layer.provideMerge([Supervisor.layer, Logger.layer([])]))

const code = <A, E, R>(command: Effect.Effect<A, E, R>) =>
  Effect.match(Effect.sandbox(command), { onFailure: ExitCode.ofCause, onSuccess: () => 0 })

const json = { output: "json", json: false } as const

const decode = Schema.decodeEffect(Schema.fromJsonString(Schema.toCodecJson(QueueSummary)))

const last = Effect.flatMap(TestConsole.logLines, (lines) => decode(String(lines.at(-1))))

describe("queues", () => {
  it.effect("list and show them with their jobs by state; 3 for one that is none", () =>
    Effect.gen(function*() {
      yield* JobQueue.enqueue(Mail, {}, { queue: "mail" })
      yield* JobQueue.enqueue(Mail, {}, { queue: "mail", delay: "1 day" })
      yield* TestClock.adjust("90 seconds")
      yield* ListQueues.list({ output: "table", json: false })
      const [head, row] = String((yield* TestConsole.logLines)[0]).split("\n")
      assert.match(head ?? "", /^QUEUE +STATE +AVAILABLE +RUNNING +SCHEDULED/)
      assert.match(row ?? "", /^mail +open +1 +0 +1 +0 +0 +2 min/)
      yield* ShowQueue.show({ queue: "mail", ...json })
      assert.deepInclude((yield* last).counts, { available: 1, scheduled: 1 })
      assert.strictEqual(yield* code(ShowQueue.show({ queue: "none", ...json })), 3)
    }).pipe(Effect.provide(Live)))

  it.effect("S3.29 show how many are done a second, by how jobs ended within the last five", () =>
    Effect.gen(function*() {
      yield* JobQueue.enqueue(Mail, {}, { queue: "mail" })
      yield* Effect.gen(function*() {
        while ((yield* JobQueue.stats("mail")).completed < 1) yield* Effect.yieldNow
        yield* ShowQueue.show({ queue: "mail", output: "table", json: false })
        const shown = String((yield* TestConsole.logLines).at(-1))
        assert.match(shown, /1 completed, 0 discarded, 0 cancelled, 0 ms on average/)
        yield* ListQueues.list({ output: "table", json: false })
        assert.match(String((yield* TestConsole.logLines).at(-1)), / 0\.2\/s/)
      }).pipe(Effect.provide(
        Layer.provide(JobWorker.layer({ queues: { mail: {} }, tasks: [Mail] }), Mail.toLayer(() => Effect.void))
      ))
    }).pipe(Effect.provide(Live)))

  it.effect("pause and resume one; drain waits for what runs, and ends with 124 where that does not end", () =>
    Effect.gen(function*() {
      const [begun, go] = [yield* Latch.make(), yield* Latch.make()]
      const Held = Task.fn("test.held", {}, () => Effect.andThen(begun.open, go.await))
      yield* JobQueue.enqueue(Held, {}, { queue: "mail" })
      yield* PauseQueue.pause({ queue: "mail", paused: true, ...json })
      assert.isNotNull((yield* last).pausedAt)
      yield* PauseQueue.pause({ queue: "mail", paused: false, ...json })
      assert.isNull((yield* last).pausedAt)
      yield* Effect.gen(function*() {
        yield* begun.await
        assert.strictEqual(yield* code(DrainQueue.drain({ queue: "mail", timeout: Duration.zero, ...json })), 124)
        assert.strictEqual((yield* last).counts.running, 1)
        yield* go.open
        const drained = yield* Effect.forkChild(
          code(DrainQueue.drain({ queue: "mail", timeout: Duration.minutes(1), ...json }))
        )
        yield* TestClock.adjust("10 seconds")
        assert.deepStrictEqual(drained.pollUnsafe()?._tag, "Success")
        assert.deepInclude(yield* last, { counts: { ...(yield* last).counts, running: 0 } })
      }).pipe(Effect.provide(JobWorker.layer({ queues: { mail: {} }, tasks: [Held] })))
      assert.strictEqual(yield* code(PauseQueue.pause({ queue: "none", paused: true, ...json })), 3)
    }).pipe(Effect.provide(Live)))

  it.effect("limit how many run and start, refuse what is no limit, and take it away again", () =>
    Effect.gen(function*() {
      const wish = {
        queue: "mail",
        concurrency: Option.none<number>(),
        rate: Option.none<string>(),
        none: false,
        ...json
      }
      const rates = [
        ["10/second", { units: 10, perMs: 1000, burst: 10 }],
        ["600 / 5 minutes", { units: 600, perMs: 300_000, burst: 600 }]
      ] as const
      for (const [rate, expected] of rates) {
        const to = yield* LimitQueue.limitOf({ ...wish, rate: Option.some(rate) })
        assert.deepStrictEqual(to, { permits: null, rate: expected })
      }
      yield* LimitQueue.limit(wish, yield* LimitQueue.limitOf({ ...wish, concurrency: Option.some(2) }))
      assert.strictEqual((yield* last).limit, "mail")
      assert.deepStrictEqual(
        (yield* JobQueue.limits).find(({ name }) => name === "mail"),
        { name: "mail", permits: 2, rate: null }
      )
      yield* LimitQueue.limit(wish, yield* LimitQueue.limitOf({ ...wish, none: true }))
      assert.isNull((yield* last).limit)
      const remove = (name: string, limit: boolean) => code(RemoveQueue.remove({ name, limit, ...json }))
      assert.deepStrictEqual([yield* remove("mail", true), yield* remove("mail", true)], [0, 3])
      assert.deepStrictEqual([yield* remove("mail", false), yield* remove("mail", false)], [0, 3])
      yield* JobQueue.enqueue(Mail, {}, { queue: "held" })
      assert.strictEqual(yield* remove("held", false), 4)
      for (const rate of ["fast", "0/second", "10/moon", "1e9/second"]) {
        const error = yield* Effect.flip(LimitQueue.limitOf({ ...wish, rate: Option.some(rate) }))
        assert.include(error.message, `"${rate}" is no rate`)
        assert.strictEqual(yield* code(LimitQueue.limitOf({ ...wish, rate: Option.some(rate) })), 64)
      }
      assert.strictEqual(yield* code(LimitQueue.limit({ ...wish, queue: "mial" }, null)), 3)
      assert.isUndefined((yield* JobQueue.queues).find(({ name }) => name === "mial"))
      assert.strictEqual(yield* code(LimitQueue.limitOf(wish)), 64)
      assert.strictEqual(yield* code(LimitQueue.limit({ ...wish, queue: "order" }, { permits: 2, rate: null })), 4)
    }).pipe(Effect.provide(Live)))
})
