import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import { Task, ThreadPool } from "ostinato"
import * as ClientDisconnect from "ostinato/http/ClientDisconnect"
import * as Deferral from "ostinato/http/Deferral"
import * as JobFilter from "ostinato/jobs/JobFilter"
import * as JobQueue from "ostinato/jobs/JobQueue"
import * as JobResult from "ostinato/jobs/JobResult"
import type { JobStore } from "ostinato/jobs/JobStore"
import * as JobWorker from "ostinato/jobs/JobWorker"
import * as tasks from "../../core/threads/tasks.ts"
import * as jobs from "../jobs/jobs.ts"
import { ask, dial, get, serve } from "./server.ts"

const text = HttpServerResponse.text

const Greet = Task.make("test.greet", { payload: { name: Schema.String }, success: Schema.String })

/** Of statements that sleep, how many the server runs. */
const sleeping = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const [row] = yield* sql<{ n: number }>`
    SELECT count(*)::int AS n FROM pg_stat_activity WHERE query LIKE '%pg_sleep(60)%' AND state = 'active'
      AND pid <> pg_backend_pid() AND datname = current_database()`
  return row?.n ?? 0
})

layer(jobs.layer, { excludeTestServices: true })("handlers that work", (it) => {
  it.effect("with a database, another service and threads answer a hundred at once, rightly, and keep nobody waiting (S4.33, S0.1)", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const pool = yield* ThreadPool.make({ capacity: 2 })
      const query = Effect.gen(function*() {
        const { n } = yield* HttpRouter.params
        const rows = yield* Effect.orDie(
          sql<{ n: number }>`SELECT g::int AS n, pg_sleep(0.01)::text FROM generate_series(1, ${Number(n)}) g LIMIT 2`
        )
        return text(rows.map(({ n }) => n).join())
      })
      const forge = yield* serve(
        HttpRouter.add(
          "GET",
          "/slow/:n",
          Effect.flatMap(HttpRouter.params, ({ n }) => Effect.as(Effect.sleep("20 millis"), text(`forge ${n}`)))
        )
      )
      const call = Effect.flatMap(
        HttpRouter.params,
        ({ n }) => Effect.map(ask(`${forge.url}/slow/${n}`), (said) => text(said))
      )
      const compute = Effect.flatMap(
        HttpRouter.params,
        ({ n }) => Effect.map(Effect.orDie(pool.run(tasks.Double, { n: Number(n) })), (doubled) => text(`${doubled}`))
      )
      let first = 0
      let health = 0
      const counted = (answer: typeof compute) => Effect.tap(answer, () => Effect.sync(() => void first++))
      const { url } = yield* serve(Layer.mergeAll(
        HttpRouter.add("GET", "/query/:n", Effect.suspend(() => counted(query))),
        HttpRouter.add("GET", "/call/:n", Effect.suspend(() => counted(call))),
        HttpRouter.add("GET", "/compute/:n", counted(compute)),
        HttpRouter.add("GET", "/livez", text("ok"))
      ))
      for (
        const [route, right] of [
          ["query", (n: number) => n === 1 ? "1" : "1,2"],
          ["call", (n: number) => `forge ${n}`],
          ["compute", (n: number) => `${2 * n}`]
        ] as const
      ) {
        first = 0
        const livez = Effect.tap(ask(`${url}/livez`), () =>
          Effect.sync(() => {
            if (first < 100) health += 1
          }))
        const numbers = Array.from({ length: 100 }, (_, n) => n + 1)
        const [answers] = yield* Effect.all([
          Effect.forEach(numbers, (n) => ask(`${url}/${route}/${n}`), { concurrency: "unbounded" }),
          Effect.replicateEffect(livez, 10)
        ], { concurrency: 2 })
        assert.deepStrictEqual(answers, numbers.map(right))
      }
      assert.isAbove(health, 0)
    }))

  it.effect("stop at the server, go on, or become a job when their client leaves, as the route says (S4.34)", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      let finished = 0
      const query = Effect.as(Effect.orDie(sql`SELECT pg_sleep(60)`), text("done"))
      const brief = Effect.as(Effect.orDie(sql`SELECT pg_sleep(0.2)`), text("done")).pipe(
        Effect.tap(() => Effect.sync(() => void finished++))
      )
      const enqueue = JobQueue.enqueue(Greet, { name: "ada" }, { queue: "left" })
      const { port } = yield* serve(
        Layer.mergeAll(
          HttpRouter.add("GET", "/interrupt", query),
          HttpRouter.add("GET", "/detach", brief.pipe(ClientDisconnect.detach)),
          HttpRouter.add("GET", "/enqueue", query.pipe(ClientDisconnect.handOver(enqueue)))
        ).pipe(HttpRouter.provideRequest(Layer.succeedContext(yield* Effect.context<JobStore | SqlClient.SqlClient>())))
      )
      const leave = (path: string, when: Effect.Effect<boolean, unknown, SqlClient.SqlClient>) =>
        Effect.gen(function*() {
          const client = yield* Effect.promise(() => dial(port))
          client.write(get(path))
          yield* Effect.repeat(when, { until: (is) => is })
          client.socket.destroy()
        })
      yield* leave("/interrupt", Effect.map(sleeping, (n) => n === 1))
      yield* Effect.repeat(sleeping, { until: (n) => n === 0 })
      yield* leave("/enqueue", Effect.map(sleeping, (n) => n === 1))
      yield* Effect.repeat(sleeping, { until: (n) => n === 0 })
      const jobs = yield* Effect.repeat(JobQueue.query(JobFilter.all), { until: (all) => all.length > 0 })
      assert.deepStrictEqual(jobs.map(({ queue }) => queue), ["left"])
      yield* leave("/detach", Effect.succeed(true))
      yield* Effect.repeat(Effect.sync(() => finished), { until: (n) => n === 1 })
    }))

  it.effect("answer with the result of a job that another process might run (S4.6)", () =>
    Effect.gen(function*() {
      const GreetLive = Greet.toLayer(({ name }) => Effect.succeed(`hello ${name}`))
      yield* Layer.build(
        JobWorker.layer({ queues: { greet: { concurrency: 1 } }, tasks: [Greet] }).pipe(Layer.provide(GreetLive))
      )
      const answer = Effect.gen(function*() {
        const deferral = yield* Deferral.take
        const { id } = yield* JobQueue.enqueue(Greet, { name: "ada" }, { queue: "greet" })
        yield* Effect.forkDetach(
          Deferral.completeWith(deferral)(Effect.map(JobResult.wait(Greet, id), (said) => text(said)))
        )
        return deferral.later
      })
      const { url } = yield* serve(HttpRouter.add("GET", "/greet", answer))
      const said = yield* ask(`${url}/greet`)
      assert.strictEqual(said, "hello ada")
    }))
})
