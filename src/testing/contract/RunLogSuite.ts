/**
 * What every driver of the log of runs promises, as tests: run it against a driver of your own. Needs `@effect/vitest`.
 */
import { assert, layer as withLayer } from "@effect/vitest"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import { RunLog, type RunStart } from "../../core/RunLog.ts"
import { NextRunId, RunId } from "../../core/TaskRun.ts"

const next = Effect.flatten(NextRunId)

const started = (id: RunId, options?: Partial<RunStart>): RunStart => ({
  id,
  task: "suite.task",
  trigger: { kind: "code" },
  origin: { tenant: null, actor: null },
  executor: "here",
  status: "running",
  payload: { n: 1 },
  traceId: null,
  ...options
})

const start = Effect.fnUntraced(function*(options?: Partial<RunStart>) {
  const log = yield* RunLog
  const id = yield* next
  yield* log.begin(started(id, options))
  return id
})

const completed = {
  status: "completed",
  attempts: 2,
  queueMs: 1.5,
  runMs: 20.25,
  output: { ok: [1, null, "x"] },
  failure: null,
  items: null,
  details: { attempts: [], logs: [] }
} as const

/**
 * Adds the tests of one driver to the file that calls this. They run by the real clock, and expect a store of their own.
 *
 * @category suites
 */
export const runLogSuite = (driver: string, layer: Layer.Layer<RunLog, unknown>) =>
  withLayer(layer, { excludeTestServices: true })(`RunLog on ${driver}`, (it) => {
    const fact = <E>(name: string, test: Effect.Effect<void, E, RunLog>) => it.effect(name, () => test)

    fact(
      "S0.54 shows a run as running from its begin on",
      Effect.gen(function*() {
        const log = yield* RunLog
        const id = yield* start({ traceId: "0af7651916cd43dd8448eb211c80319c" })
        const run = yield* log.get(id)
        assert.strictEqual(run?.status, "running")
        assert.strictEqual(run?.task, "suite.task")
        assert.deepStrictEqual(run?.payload, { n: 1 })
        assert.deepStrictEqual(run?.trigger, { kind: "code" })
        assert.strictEqual(run?.traceId, "0af7651916cd43dd8448eb211c80319c")
        assert.strictEqual(run?.finishedAt, null)
        assert.strictEqual(run?.runMs, null)
      })
    )

    fact(
      "S0.54 closes a run once, and a second end changes nothing",
      Effect.gen(function*() {
        const log = yield* RunLog
        const id = yield* start()
        assert.isTrue(yield* log.end(id, completed))
        const closed = yield* log.get(id)
        assert.isFalse(yield* log.end(id, { ...completed, status: "failed", output: null }))
        assert.deepStrictEqual(yield* log.get(id), closed)
        assert.strictEqual(closed?.status, "completed")
        assert.strictEqual(closed?.attempts, 2)
        assert.strictEqual(closed?.queueMs, 1.5)
        assert.strictEqual(closed?.runMs, 20.25)
        assert.deepStrictEqual(closed?.output, { ok: [1, null, "x"] })
        assert.isNotNull(closed?.finishedAt)
      })
    )

    fact(
      "S0.54 keeps a failure with its kind, its tag and its cause, whatever characters are in it",
      Effect.gen(function*() {
        const log = yield* RunLog
        const id = yield* start({ payload: { "__proto__x": "'; DROP TABLE run; --", nul: "\u0000", half: "\uD800" } })
        const failure = { kind: "defect", tag: "Error", message: "a\u0000b \u001b[31m", cause: "at line\n2" } as const
        assert.isTrue(yield* log.end(id, { ...completed, status: "failed", output: null, failure }))
        const run = yield* log.get(id)
        assert.strictEqual(run?.status, "failed")
        assert.strictEqual(run?.failure?.kind, "defect")
        assert.strictEqual(run?.failure?.cause, "at line\n2")
      })
    )

    fact(
      "S0.54 lists runs newest first, by task and by page",
      Effect.gen(function*() {
        const log = yield* RunLog
        const task = yield* next
        const ids: Array<RunId> = []
        for (let i = 0; i < 5; i++) ids.unshift(yield* start({ task }))
        yield* start({ task: "suite.other" })
        const first = yield* log.list({ task, limit: 2 })
        assert.deepStrictEqual(first.map((run) => run.id), ids.slice(0, 2))
        const rest = yield* log.list({ task, before: first[1]?.id })
        assert.deepStrictEqual(rest.map((run) => run.id), ids.slice(2))
        assert.isAtLeast((yield* log.list({})).length, 6)
        assert.deepStrictEqual(yield* log.list({ task: "suite.unknown" }), [])
      })
    )

    fact(
      "S0.54 bounds a page to 200 runs and at least one",
      Effect.gen(function*() {
        const log = yield* RunLog
        yield* Effect.repeat(start(), { times: 210 })
        assert.strictEqual((yield* log.list({ limit: 1e9 })).length, 200)
        assert.strictEqual((yield* log.list({ limit: -3 })).length, 1)
        assert.strictEqual((yield* log.list({})).length, 50)
      })
    )

    fact(
      "S0.54 S1.O2 keeps a waiting run apart from a running one, with its origin and its executor",
      Effect.gen(function*() {
        const log = yield* RunLog
        const origin = { tenant: `acme-${yield* next}`, actor: "ada" }
        const id = yield* start({ status: "waiting", origin, executor: "pool io" })
        const waiting = yield* log.get(id)
        assert.deepStrictEqual([waiting?.status, waiting?.executor], ["waiting", "pool io"])
        assert.deepStrictEqual(waiting?.origin, origin)
        yield* log.started(id)
        assert.strictEqual((yield* log.get(id))?.status, "running")
        assert.isTrue(yield* log.end(id, completed))
        yield* log.started(id)
        assert.strictEqual((yield* log.get(id))?.status, "completed")
        const ofTenant = yield* log.list({ tenant: origin.tenant, status: "completed" })
        assert.deepStrictEqual(ofTenant.map((run) => run.id), [id])
        assert.deepStrictEqual(yield* log.list({ tenant: origin.tenant, status: "failed" }), [])
      })
    )

    for (const status of ["completed", "partial", "failed", "interrupted", "cancelled", "skipped"] as const) {
      fact(
        `S0.54 S1.O2 closes a run as ${status}, with how its items fared`,
        Effect.gen(function*() {
          const log = yield* RunLog
          const id = yield* start()
          const items = { succeeded: 2, failed: 1, summary: "2 of 3 repositories" }
          assert.isTrue(yield* log.end(id, { ...completed, status, items }))
          const run = yield* log.get(id)
          assert.deepStrictEqual([run?.status, run?.items], [status, items])
        })
      )
    }

    fact(
      "S0.54 keeps the attempts, the stages and the lines of a run that has ended",
      Effect.gen(function*() {
        const log = yield* RunLog
        const id = yield* start()
        assert.isNull(yield* log.details(id))
        const failure = { kind: "failure", tag: "Busy", message: "no \u0000 seat", cause: "at line\n2" } as const
        const at = DateTime.makeUnsafe("2026-11-21T10:00:00.123Z")
        const details = {
          attempts: [{ task: "suite.task", number: 1, runMs: 12.5, failure }],
          logs: [{ at, level: "Info", message: "half \uD800 done" }],
          stages: [{
            stage: "suite.pipeline/second",
            task: "suite.task",
            status: "skipped",
            skipped: { by: "dependency", reason: "first failed" },
            startMs: null,
            runMs: 0
          }]
        } as const
        assert.isTrue(yield* log.end(id, { ...completed, details }))
        const kept = yield* log.details(id)
        assert.strictEqual(kept?.attempts[0]?.failure?.tag, "Busy")
        assert.deepStrictEqual(kept?.attempts[0]?.runMs, 12.5)
        assert.strictEqual(kept?.logs.length, 1)
        assert.deepStrictEqual(kept?.stages, details.stages)
        assert.isTrue(kept?.logs[0] !== undefined && DateTime.Equivalence(kept.logs[0].at, at))
        assert.isNull(yield* log.details("no such thing"))
      })
    )

    fact(
      "D.9 tells the holder of a run who cancelled it and why, and says so to whoever asks again",
      Effect.gen(function*() {
        const log = yield* RunLog
        const id = yield* next
        const { cancelled } = yield* log.begin(started(id))
        const by = { actor: "ada", reason: "wrong branch" }
        assert.strictEqual(yield* log.cancel(id, by), "requested")
        assert.deepStrictEqual(yield* cancelled, by)
        assert.strictEqual(yield* log.cancel(id, { actor: "bob", reason: null }), "already")
        assert.deepStrictEqual((yield* log.get(id))?.cancellation, by)
        assert.isTrue(yield* log.end(id, { ...completed, status: "cancelled" }))
        assert.strictEqual(yield* log.cancel(id, by), "ended")
        assert.strictEqual(yield* log.cancel("00000000-0000-7000-8000-000000000000", by), "unknown")
        assert.strictEqual(yield* log.cancel("no such thing", by), "unknown")
      })
    )

    fact(
      "S0.54 knows no run by an id that was never given, nor by one that is no id",
      Effect.gen(function*() {
        const log = yield* RunLog
        assert.isNull(yield* log.get("00000000-0000-7000-8000-000000000000"))
        assert.isNull(yield* log.get("no such thing"))
        assert.isFalse(yield* log.end(RunId.make("00000000-0000-7000-8000-000000000000"), completed))
      })
    )
  })
