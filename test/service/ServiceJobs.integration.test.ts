import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as HttpServer from "effect/http/HttpServer"
import * as Latch from "effect/Latch"
import * as SqlClient from "effect/sql/SqlClient"
import { hostname } from "node:os"
import { Job } from "ostinato/jobs/Job"
import * as JobFilter from "ostinato/jobs/JobFilter"
import * as JobQueue from "ostinato/jobs/JobQueue"
import * as JobGauges from "ostinato/service/JobGauges"
import * as TableGauges from "ostinato/service/TableGauges"
import * as Prometheus from "../e2e/Prometheus.ts"
import * as ServiceProcess from "../e2e/ServiceProcess.ts"
import { Bare, beside, Endless, stopped } from "./BareService.ts"

layer(Bare, { excludeTestServices: true, timeout: "60 seconds" })("the jobs of a service", (it) => {
  it.effect("whose role is worker runs jobs, answers health and metrics, and no API", () =>
    Effect.gen(function*() {
      const url = yield* beside("workers", "worker")
      const status = (path: string) => Effect.map(ServiceProcess.get(url + path), ({ status }) => status)
      assert.deepStrictEqual(
        yield* Effect.forEach(["/livez", "/metrics", "/api/v1/runs", "/quick"], status),
        [200, 200, 404, 404]
      )
      const { body } = yield* ServiceProcess.get(`${url}/readyz`)
      assert.include(body, `{"name":"worker","ok":true,"detail":"running: 0 of 2 jobs"}`)
      assert.include(body, `{"name":"scheduler","ok":true,"detail":"disabled"}`)
    }))

  it.effect("D.9 a job is cancelled by the API of another node than the one that runs it", () =>
    Effect.gen(function*() {
      const own = HttpServer.formatAddress((yield* HttpServer.HttpServer).address)
      const other = yield* beside("ostinato", "api")
      const { id } = yield* JobQueue.enqueue(Endless, { n: 1 }, { queue: "bare" })
      const state = (url: string) =>
        Effect.map(ServiceProcess.getJson(`${url}/api/v1/jobs/${id}`, Job), ({ failure, node, state }) => ({
          state,
          node,
          by: failure?.cancellation
        }))
      yield* ServiceProcess.until(state(other), ({ state }) => state === "running")
      const by = { actor: "ada", reason: "wrong branch" }
      const asked = HttpClientRequest.bodyJsonUnsafe(HttpClientRequest.post(`${other}/api/v1/jobs/${id}/cancel`), by)
      const { status } = yield* Effect.provide(HttpClient.execute(asked), FetchHttpClient.layer)
      assert.strictEqual(status, 200)
      const ended = yield* ServiceProcess.until(state(own), ({ state }) => state === "cancelled")
      assert.deepStrictEqual(ended, { state: "cancelled", node: `${hostname()}:${process.pid}`, by })
      assert.include(
        (yield* ServiceProcess.get(`${other}/readyz`)).body,
        `{"name":"worker","ok":true,"detail":"none: the role is api"}`
      )
    }))

  it.effect("S2.86 S3.29 tells depth and age of queues, the oldest running task and the bytes of the tables, as SQL counts them", () =>
    Effect.gen(function*() {
      const url = HttpServer.formatAddress((yield* HttpServer.HttpServer).address)
      const sql = yield* SqlClient.SqlClient
      yield* Effect.forEach([1, 2, 3, 4, 5], (n) => JobQueue.enqueue(Endless, { n }, { queue: "bare" }))
      yield* JobQueue.enqueue(Endless, { n: 6 }, { queue: "bare", delay: "1 day" })
      yield* JobQueue.enqueue(Endless, { n: 7 }, { queue: "later", delay: "1 day" })
      const filter = yield* JobFilter.parse("state:running queue:bare")
      yield* ServiceProcess.until(JobQueue.count(filter), (running) => running === 2)
      // the gauges of the service itself are brought up to date every 15 seconds only
      yield* Effect.flatten(JobGauges.make)
      yield* Effect.flatten(TableGauges.make)
      const { problems, samples } = Prometheus.parse((yield* ServiceProcess.get(`${url}/metrics`)).body)
      assert.deepStrictEqual(problems, [])
      const counted = yield* sql<{ queue: string; state: string; n: number }>`
        SELECT queue, state, count(*)::int AS n FROM ostinato.jobs
        WHERE state NOT IN ('completed', 'cancelled', 'discarded') GROUP BY 1, 2`
      const shown = Array.from(samples).flatMap(([name, value]) => {
        const [, queue, state] = /^ostinato_jobs\{queue="([^"]+)",state="([^"]+)"\}$/.exec(name) ?? []
        return queue === undefined || value === 0 ? [] : [{ queue, state, n: value }]
      })
      const sorted = (rows: ReadonlyArray<object>) => rows.map((row) => JSON.stringify(row)).sort()
      assert.deepStrictEqual(sorted(shown), sorted(counted.map(({ n, queue, state }) => ({ queue, state, n }))))
      assert.deepStrictEqual(counted.find(({ queue, state }) => queue === "bare" && state === "running")?.n, 2)
      const workers = yield* sql`SELECT FROM ostinato.worker WHERE serves ? 'bare' AND expires_at > now()`
      assert.strictEqual(samples.get(`ostinato_queue_workers{queue="bare"}`), workers.length)
      assert.strictEqual(samples.get(`ostinato_queue_completed_per_second{queue="bare"}`), 0)
      assert.isAtLeast(samples.get(`ostinato_queue_oldest_job_age_seconds{queue="bare"}`) ?? -1, 0)
      assert.isAtLeast(samples.get(`ostinato_task_oldest_running_seconds{task="bare.endless"}`) ?? -1, 0)
      const [ready] = yield* sql<{ bytes: number }>`SELECT pg_total_relation_size('ostinato.ready')::float8 AS bytes`
      assert.strictEqual(samples.get(`ostinato_table_bytes{table="ready"}`), ready?.bytes)
      assert.isDefined(samples.get(`ostinato_table_dead_tuples{table="ready"}`))
      assert.isDefined(samples.get("ostinato_database_horizon_lag_seconds{}"))
    }).pipe(Effect.ensuring(stopped)))

  it.effect("S1.32 answers a query of user code while 100 queries of jobs are queued", () =>
    Effect.gen(function*() {
      const url = HttpServer.formatAddress((yield* HttpServer.HttpServer).address)
      const sql = yield* SqlClient.SqlClient
      const [held, release] = [yield* Latch.make(), yield* Latch.make()]
      const holder = yield* Effect.forkChild(sql.withTransaction(Effect.gen(function*() {
        yield* sql`LOCK TABLE ostinato.job, ostinato.ready, ostinato.later IN ACCESS EXCLUSIVE MODE`
        yield* held.open
        yield* release.await
      })))
      yield* held.await
      let done = 0
      const filter = yield* JobFilter.parse("state:available")
      const asked = yield* Effect.forkChild(Effect.forEach(
        Array.from({ length: 100 }),
        () => Effect.ensuring(JobQueue.query(filter), Effect.sync(() => done++)),
        { concurrency: "unbounded", discard: true }
      ))
      yield* ServiceProcess.until(
        sql`SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'`,
        (waiting) => waiting.length > 0
      )
      assert.strictEqual((yield* ServiceProcess.get(`${url}/quick`)).status, 200)
      assert.strictEqual(done, 0)
      yield* release.open
      yield* Fiber.join(holder)
      yield* Fiber.join(asked)
      assert.strictEqual(done, 100)
    }))
})
