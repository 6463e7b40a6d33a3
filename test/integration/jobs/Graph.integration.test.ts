/** Pipelines whose stages are jobs, on a real server, with a worker that is killed. */
import * as PgClient from "@effect/sql-pg/PgClient"
import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as EffectSchedule from "effect/Schedule"
import * as JobFilter from "ostinato/jobs/JobFilter"
import * as JobGraph from "ostinato/jobs/JobGraph"
import * as JobQueue from "ostinato/jobs/JobQueue"
import * as JobWorker from "ostinato/jobs/JobWorker"
import { Database } from "ostinato/store/Database"
import * as Program from "../store/program.ts"
import { layer as store, Store } from "./jobs.ts"
import { handlers, Sync } from "./sync.ts"

const worker = (began: Array<string>, stuck?: string) =>
  JobWorker.layer({ queues: { sync: {} }, tasks: JobGraph.tasks(Sync) }).pipe(
    Layer.provide(handlers((name) => Effect.sync(() => void began.push(name)), stuck))
  )

const readUntil = (program: Program.Program, line: string): Effect.Effect<ReadonlyArray<string>> =>
  Effect.gen(function*() {
    const read: Array<string> = []
    while (read.at(-1) !== line && read.at(-1) !== "(ended)") read.push(yield* program.read)
    assert.strictEqual(read.at(-1), line)
    // it logs as well
    return read.filter((line) => line.startsWith("began "))
  })

layer(store, { excludeTestServices: true, timeout: 60_000 })("graphs of jobs", (it) => {
  it.effect("kill -9 during a stage: the run goes on at that stage, and none that had completed runs again", () =>
    Effect.gen(function*() {
      const { url } = yield* Database
      const sql = yield* PgClient.PgClient
      const program = yield* Program.start(
        new URL("./syncWorker.ts", import.meta.url).href,
        [Redacted.value(url), "sum"]
      )
      const { id } = yield* JobGraph.enqueue(Sync, { left: "ab", right: "cde" }, { queue: "sync" })
      const before = yield* readUntil(program, "began sum")
      assert.sameMembers([...before], ["began collect ab", "began collect cde", "began sum"])
      process.kill(program.pid, "SIGKILL")
      yield* program.exited
      // as if its lease had run out
      yield* sql`UPDATE ostinato.worker SET expires_at = now() - interval '1 minute' WHERE node = 'killed'`
      yield* Effect.flatMap(Store, (jobs) => jobs.rescue)
      const began: Array<string> = []
      yield* Layer.build(worker(began))
      assert.deepStrictEqual(yield* JobQueue.result(Sync, id), { left: 2, right: 3, sum: 5 })
      assert.deepStrictEqual(began, ["sum"])
      const stages = yield* JobQueue.query({ ...JobFilter.all, queues: ["sync"] })
      assert.deepStrictEqual(
        stages.map(({ attempt, lost, state, task }) => `${task} ${state} ${attempt} ${lost}`).sort(),
        ["sync completed 1 0", "sync/left completed 1 0", "sync/right completed 1 0", "sync/sum completed 2 1"]
      )
    }).pipe(Effect.scoped))

  it.effect("D.9 cancelling the run stops the stage that runs elsewhere and ends those that wait", () =>
    Effect.gen(function*() {
      const began: Array<string> = []
      yield* Layer.build(worker(began, "collect slow"))
      const { id } = yield* JobGraph.enqueue(Sync, { left: "slow", right: "b" }, { queue: "sync" })
      yield* Effect.repeat(Effect.sync(() => began.length), {
        until: (count) => count === 2,
        schedule: EffectSchedule.spaced("5 millis")
      })
      yield* JobQueue.cancel([id], { actor: "ada", reason: "enough" })
      const error = yield* Effect.flip(JobQueue.result(Sync, id))
      assert.deepInclude(error, { _tag: "JobEnded", state: "cancelled", detail: "cancelled by ada: enough" })
      const open = JobQueue.count({ ...JobFilter.all, queues: ["sync"], states: ["running", "available", "pending"] })
      yield* Effect.repeat(open, { until: (count) => count === 0, schedule: EffectSchedule.spaced("10 millis") })
      const again = yield* JobQueue.cancel([id])
      assert.deepStrictEqual(again.ended, [id])
      assert.notInclude(began, "sum")
    }).pipe(Effect.scoped))
})
