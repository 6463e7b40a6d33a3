import { assert, describe, it } from "@effect/vitest"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/testing/TestClock"
import { Attempt, Dispatch, MemoryRunLog, RunLog, Supervisor, Task } from "ostinato"
import { RunId } from "ostinato/core/TaskRun"
import { JobId, runIdOf } from "ostinato/jobs/Job"
import * as JobQueue from "ostinato/jobs/JobQueue"
import * as JobWorker from "ostinato/jobs/JobWorker"
import * as MemoryJobStore from "ostinato/jobs/stores/Memory"
import * as JobRuns from "ostinato/service/JobRuns"
import { boundOf } from "../../src/service/internal/runOfJob.ts"

const Work = Task.make("test.work", {
  payload: { fails: Schema.optionalKey(Schema.Int), how: Schema.optionalKey(Schema.Literals(["broken", "skipped"])) },
  success: Schema.String,
  error: Schema.String
})
const WorkLive = Work.toLayer(({ fails = 0, how }) =>
  Effect.gen(function*() {
    yield* Effect.logInfo("at work")
    if (how === "broken") return yield* Effect.fail("it is broken")
    if (how === "skipped") return yield* Attempt.skip("there is nothing to do")
    yield* Attempt.report({ succeeded: 1, failed: fails, summary: `1 of ${1 + fails}` })
    return "done"
  })
)

const Live = JobRuns.layer.pipe(
  Layer.provide(MemoryRunLog.layer()),
  Layer.provideMerge(MemoryJobStore.layer),
  Layer.provideMerge(WorkLive),
  Layer.provideMerge([Supervisor.layer, Logger.layer([])])
)

const Worker = JobWorker.layer({ queues: { default: { concurrency: 4 } }, tasks: [Work], node: "box:4711" })

const log = RunLog.RunLog

/** Every page of a list, as ids. */
const pages = Effect.fnUntraced(function*(query: RunLog.RunQuery) {
  const found: Array<RunId> = []
  for (;;) {
    const page = yield* (yield* log).list({ ...query, before: found.at(-1) })
    if (page.length === 0) return found
    found.push(...page.map(({ id }) => id))
  }
})

const ended = (id: JobId) =>
  Effect.repeat(Effect.flatMap(log, (log) => log.get(runIdOf(id))), {
    until: (run) => run !== null && run.finishedAt !== null
  })

describe("runs with jobs among them", () => {
  it.effect("shows a job in every state as a run, with its trigger, place, result and logs", () =>
    Effect.gen(function*() {
      const trigger = { kind: "http", method: "POST", path: "/x" } as const
      const [well, partly, broken, skipped, later] = yield* Effect.all([
        JobQueue.enqueue(Work, {}, { trigger, tenant: "acme" }),
        JobQueue.enqueue(Work, { fails: 2 }),
        JobQueue.enqueue(Work, { how: "broken" }),
        JobQueue.enqueue(Work, { how: "skipped" }),
        JobQueue.enqueue(Work, {}, { delay: "1 hour" })
      ])
      const runs = yield* log
      assert.deepInclude(yield* runs.get(runIdOf(well.id)), {
        status: "waiting",
        task: "test.work",
        executor: "queue default",
        trigger,
        origin: { tenant: "acme", actor: null },
        host: "",
        attempts: 0,
        finishedAt: null
      })
      yield* Effect.gen(function*() {
        yield* TestClock.adjust("1 second")
        assert.deepInclude(yield* ended(well.id), {
          status: "completed",
          output: "done",
          host: "box",
          pid: 4711,
          attempts: 1,
          failure: null
        })
        const details = yield* runs.details(runIdOf(well.id))
        assert.deepStrictEqual(details?.logs.map(({ message }) => message), ["at work"])
        assert.deepStrictEqual(details?.attempts.map(({ failure, number }) => [number, failure]), [[1, null]])
        assert.deepInclude(yield* ended(partly.id), {
          status: "partial",
          items: { succeeded: 1, failed: 2, summary: "1 of 3" }
        })
        const failed = yield* ended(broken.id)
        assert.deepInclude(failed, { status: "failed" })
        assert.deepInclude(failed?.failure, { kind: "failure", message: "it is broken" })
        assert.strictEqual((yield* ended(skipped.id))?.status, "skipped")
        assert.strictEqual((yield* runs.get(runIdOf(later.id)))?.status, "waiting")
      }).pipe(Effect.provide(Worker), Effect.scoped)
      for (
        const [status, id] of [
          ["completed", well.id],
          ["partial", partly.id],
          ["failed", broken.id],
          ["skipped", skipped.id],
          ["waiting", later.id]
        ] as const
      ) {
        assert.deepStrictEqual((yield* runs.list({ status })).map(({ id }) => id), [runIdOf(id)], status)
      }
      assert.deepStrictEqual((yield* runs.list({ tenant: "acme" })).map(({ id }) => id), [runIdOf(well.id)])
      assert.isEmpty(yield* runs.list({ status: "abandoned" }))
      assert.isEmpty(yield* runs.list({ task: "other" }))
    }).pipe(Effect.provide(Live)))

  it.effect("tells how long each attempt took, not only the last", () =>
    Effect.gen(function*() {
      const Slow = Task.make("test.slow", { payload: {}, error: Schema.String, retry: Schedule.spaced("1 minute") })
      const SlowLive = Slow.toLayer(() =>
        Effect.gen(function*() {
          const { number } = yield* Attempt.Attempt
          yield* Effect.sleep(`${number * 3} seconds`)
          if (number < 3) return yield* Effect.fail(`attempt ${number} is not enough`)
        })
      )
      const { id } = yield* JobQueue.enqueue(Slow, {})
      yield* Effect.gen(function*() {
        yield* TestClock.adjust("3 minutes")
        yield* ended(id)
      }).pipe(Effect.provide(Layer.provide(JobWorker.layer({ queues: { default: {} }, tasks: [Slow] }), SlowLive)))
      const details = yield* (yield* log).details(runIdOf(id))
      assert.deepStrictEqual(
        details?.attempts.map(({ failure, number, runMs }) => [number, runMs, failure?.message]),
        [[1, 3000, "attempt 1 is not enough"], [2, 6000, "attempt 2 is not enough"], [3, 9000, undefined]]
      )
    }).pipe(Effect.provide(Live)))

  it.effect("lists runs and jobs by their instants, each once, however small the pages", () =>
    Effect.gen(function*() {
      const all: Array<string> = []
      yield* TestClock.setTime(Date.UTC(2026, 10, 21))
      for (let n = 0; n < 12; n++) {
        // two of a kind in one millisecond, then the next
        const made = n % 4 < 2
          ? runIdOf((yield* JobQueue.enqueue(Work, {})).id)
          : (yield* Dispatch.here(Work, {}, { kind: "code" })).id
        all.push(made)
        if (n % 2 === 1) yield* TestClock.adjust("1 millis")
      }
      const sorted = all.toSorted().reverse()
      for (const limit of [1, 2, 5, 200]) assert.deepStrictEqual(yield* pages({ limit }), sorted, String(limit))
    }).pipe(Effect.provide(Live)))

  it.effect("finds the few of a status among many of the same state", () =>
    Effect.gen(function*() {
      const ids = yield* Effect.forEach(
        Array.from({ length: 30 }, (_, n) => n),
        (n) => JobQueue.enqueue(Work, { fails: n % 10 === 0 ? 1 : 0 })
      )
      yield* Effect.provide(
        Effect.andThen(TestClock.adjust("1 second"), Effect.forEach(ids, ({ id }) => ended(id))),
        Worker
      )
      const partial = ids.filter((_, n) => n % 10 === 0).map(({ id }) => runIdOf(id)).reverse()
      assert.deepStrictEqual(yield* pages({ status: "partial", limit: 2 }), partial)
      assert.strictEqual((yield* pages({ status: "completed", limit: 7 })).length, 27)
    }).pipe(Effect.provide(Live)))

  it.effect("D.9 cancels a job by the id of its run: one that waits at once, one that runs when its finalizers have ended", () =>
    Effect.gen(function*() {
      const [begun, stopping, go] = [yield* Latch.make(), yield* Latch.make(), yield* Latch.make()]
      const Long = Task.make("test.long")
      const LongLive = Long.toLayer(() =>
        Effect.gen(function*() {
          yield* Effect.addFinalizer(() => Effect.andThen(stopping.open, go.await))
          yield* begun.open
          return yield* Effect.never
        })
      )
      const runs = yield* log
      const by = { actor: "ada", reason: "wrong branch" }
      const waiting = yield* JobQueue.enqueue(Work, {}, { delay: "1 day" })
      assert.strictEqual(yield* runs.cancel(runIdOf(waiting.id), by), "requested")
      assert.deepInclude(yield* runs.get(runIdOf(waiting.id)), { status: "cancelled", cancellation: by })
      assert.strictEqual(yield* runs.cancel(runIdOf(waiting.id), by), "ended")
      const { id } = yield* JobQueue.enqueue(Long, {}, { queue: "long" })
      yield* Effect.gen(function*() {
        yield* begun.await
        assert.strictEqual(yield* runs.cancel(runIdOf(id), by), "requested")
        assert.strictEqual(yield* runs.cancel(runIdOf(id), by), "already")
        yield* stopping.await
        assert.strictEqual((yield* runs.get(runIdOf(id)))?.status, "running")
        yield* go.open
        assert.deepInclude(yield* ended(id), { status: "cancelled", cancellation: by })
      }).pipe(Effect.provide(Layer.provide(JobWorker.layer({ queues: { long: {} }, tasks: [Long] }), LongLive)))
      assert.strictEqual(yield* runs.cancel("none", by), "unknown")
    }).pipe(Effect.provide(Live)))

  it("the jobs before a run are exactly those whose runs come before it", () => {
    const at = DateTime.toEpochMillis(DateTime.makeUnsafe("2026-11-21T00:00:00Z"))
    const jobs = [0, 1, 255, 256, 257, 0x5ffff, 0xfffff].flatMap((sequence) =>
      [-1, 0, 1].map((ms) => JobId.make(String((BigInt(at + ms) << 20n) + BigInt(sequence))))
    )
    const hex = at.toString(16).padStart(12, "0")
    const time = `${hex.slice(0, 8)}-${hex.slice(8)}`
    const others = [
      `${time}-7000-8000-000000000000`,
      `${time}-7001-8001-000000000000`,
      `${time}-7001-8001-000000000001`,
      `${time}-7abc-9def-0123456789ab`,
      `${time}-7fff-bfff-ffffffffffff`,
      `${time}-4abc-9def-0123456789ab`,
      `${time}-8abc-9def-0123456789ab`,
      "00000000-0000-0000-0000-000000000000",
      "ffffffff-ffff-ffff-ffff-ffffffffffff"
    ].map((id) => RunId.make(id))
    for (const before of [...others, ...jobs.map(runIdOf)]) {
      const bound = boundOf(before)
      const found = bound === null
        ? []
        : jobs.filter((id) => bound.before === null || BigInt(id) < BigInt(bound.before))
      assert.deepStrictEqual(found, jobs.filter((id) => runIdOf(id) < before), before)
    }
  })
})
