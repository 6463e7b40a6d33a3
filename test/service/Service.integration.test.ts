import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { assert, layer } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServer from "effect/http/HttpServer"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import { Dispatch, Task } from "ostinato"
import { RunLog } from "ostinato/core/RunLog"
import { Supervisor } from "ostinato/core/Supervisor"
import { RequestSummary } from "ostinato/http/RequestState"
import * as SchedulePolicy from "ostinato/schedule/SchedulePolicy"
import { ScheduleStore } from "ostinato/schedule/ScheduleStore"
import * as TaskScheduler from "ostinato/schedule/TaskScheduler"
import * as Timetable from "ostinato/schedule/Timetable"
import { CurrentWorker } from "ostinato/service/CurrentWorker"
import * as Health from "ostinato/service/Health"
import * as ServiceConfig from "ostinato/service/ServiceConfig"
import { ControlSql } from "ostinato/store/ControlSql"
import * as ServiceProcess from "../e2e/ServiceProcess.ts"
import { Bare, beside } from "./BareService.ts"

// any method, body and header, as no client of ours would send them
const Requests = Schema.Struct({ items: Schema.Array(RequestSummary) })

const asked = (url: string, init?: RequestInit) => fetch(url, init)

/** Holds what `/slow` waits for, until what this gives is run. */
const held = Effect.gen(function*() {
  const control = yield* ControlSql
  const [isHeld, release] = [yield* Latch.make(), yield* Latch.make()]
  const holder = yield* Effect.forkChild(control.withTransaction(Effect.gen(function*() {
    yield* control`SELECT pg_advisory_xact_lock(7)`
    yield* isHeld.open
    yield* release.await
  })))
  yield* isHeld.await
  return Effect.andThen(release.open, Fiber.join(holder))
})

layer(Bare, { excludeTestServices: true, timeout: "60 seconds" })("Service", (it) => {
  it.effect("serves an application without a page and without metrics of its own", () =>
    Effect.gen(function*() {
      const { address } = yield* HttpServer.HttpServer
      const url = HttpServer.formatAddress(address)
      const status = (path: string) => Effect.map(ServiceProcess.get(url + path), ({ status }) => status)
      assert.deepStrictEqual(
        yield* Effect.forEach(["/readyz", "/metrics", "/api/v1/runs", "/", "/assets/x.js"], status),
        [200, 200, 200, 404, 404]
      )
    }))

  it.effect("S1.O6 answers every wrong request to the API with a problem that names what is wrong", () =>
    Effect.gen(function*() {
      const url = HttpServer.formatAddress((yield* HttpServer.HttpServer).address)
      const json = (text: string) => ({ body: text, headers: { "content-type": "application/json" } })
      const cases: ReadonlyArray<
        readonly [method: string, path: string, init: RequestInit, status: number, says: string]
      > = [
        ["GET", "/api", {}, 404, "/api"],
        ["GET", "/api/v1/none?x=1", {}, 404, "there is no /api/v1/none:"],
        ["POST", "/api/v1/none", json("{}"), 404, "/api/v1/none"],
        ["GET", "/api/v1/jobs/%zz", {}, 400, "/api/v1/jobs/%zz"],
        ["GET", "/api/v1/runs/%e0%a4%a", {}, 400, "write a percent sign as %25"],
        [
          "GET",
          "/api/v1/jobs/twelve",
          {},
          400,
          `params.id: Expected the id of a job, which is a number, got \\"twelve\\"`
        ],
        ["GET", "/api/v1/jobs?limit=999&before=x", {}, 400, "query.limit: Expected a value between 1 and 200, got 999"],
        ["GET", "/api/v1/jobs?limit=999&before=x", {}, 400, "query.before: "],
        ["GET", "/api/v1/jobs?limt=9", {}, 400, "query.limt: "],
        ["PUT", "/api/v1/jobs", {}, 405, "/api/v1/jobs takes GET, HEAD, POST, not PUT"],
        ["DELETE", "/api/v1/jobs/12", {}, 405, "takes GET, HEAD, not DELETE"],
        ["OPTIONS", "/api/v1/queues", {}, 405, "takes GET, HEAD"],
        ["POST", "/api/v1/jobs", json(`{"task":"${"x".repeat(5 << 20)}"}`), 413, "4 MiB"],
        ["POST", "/api/v1/jobs", { body: "task=x", headers: { "content-type": "text/plain" } }, 415, "text/plain"],
        ["POST", "/api/v1/jobs/12/cancel", {}, 400, "the body is empty: send a JSON object, at least {}"],
        ["POST", "/api/v1/jobs", json("{task"), 400, "Expected a valid JSON body"],
        ["POST", "/api/v1/jobs", json(`{"task":"x","delya":"1 hour"}`), 400, "payload.delya: "],
        ["POST", "/api/v1/jobs", json(`{"task":"bare.endless","payload":{"n":"x"}}`), 422, `at [\\"n\\"]`],
        ["GET", "/api/v1/bare/broken", {}, 500, "its log says why"],
        ["GET", "/api/v1/bare/nothing", {}, 404, "There is no such thing"]
      ]
      for (const [method, path, init, status, says] of cases) {
        const answer = yield* Effect.promise(() => asked(url + path, { ...init, method }))
        const body = yield* Effect.promise(() => answer.text())
        const what = `${method} ${path} ${body.slice(0, 500)}`
        assert.strictEqual(answer.status, status, what)
        assert.strictEqual(answer.headers.get("content-type"), "application/problem+json", what)
        assert.include(body, says)
        assert.include(body, `"status":${status}`)
        assert.strictEqual(answer.headers.has("allow"), status === 405, what)
        assert.strictEqual(answer.headers.get("x-content-type-options"), "nosniff", what)
        assert.notInclude(body, "canary")
      }
      const allowed = yield* Effect.promise(() => asked(`${url}/api/v1/jobs`, { method: "PUT" }))
      assert.strictEqual(allowed.headers.get("allow"), "GET, HEAD, POST")
      const told = yield* ServiceProcess.get(`${url}/api/v1/bare/told`)
      assert.deepInclude(told, { status: 404, body: "none left" })
      const head = yield* Effect.promise(() => asked(`${url}/api/v1/jobs`, { method: "HEAD" }))
      assert.strictEqual(head.status, 200)
      const long = `${"q".repeat(27)}ü`.repeat(4)
      const queue = yield* Effect.promise(() => asked(`${url}/api/v1/queues/${encodeURIComponent(long)}`))
      assert.include(yield* Effect.promise(() => queue.text()), long)
    }))

  it.effect("S0.1 S1.30 answers 200 questions about its health before the first of 20 slow queries is done", () =>
    Effect.gen(function*() {
      const { address } = yield* HttpServer.HttpServer
      const url = HttpServer.formatAddress(address)
      const release = yield* held
      const order: Array<string> = []
      const ask = (path: string) =>
        Effect.tap(ServiceProcess.get(url + path), ({ status }) => Effect.sync(() => order.push(`${path} ${status}`)))
      const slow = yield* Effect.forkChild(Effect.forEach(Array.from({ length: 20 }), () => ask("/slow"), {
        concurrency: "unbounded"
      }))
      yield* Effect.forEach(Array.from({ length: 200 }), () => ask("/livez"), { concurrency: 50 })
      yield* release
      yield* Fiber.join(slow)
      assert.deepStrictEqual(order.slice(0, 200), Array.from({ length: 200 }, () => "/livez 200"))
      assert.deepStrictEqual(order.slice(200), Array.from({ length: 20 }, () => "/slow 200"))
    }))

  it.effect("S4.4 S4.23 S4.24 S4.25 shows the requests that are being answered, and cancels one", () =>
    Effect.gen(function*() {
      const { address } = yield* HttpServer.HttpServer
      const url = HttpServer.formatAddress(address)
      const release = yield* held
      const slow = yield* Effect.forkChild(ServiceProcess.get(`${url}/slow?token=canary`))
      const ofSlow = Effect.map(
        ServiceProcess.getJson(`${url}/api/v1/requests`, Requests),
        ({ items }) => items.find(({ route }) => route === "/slow")
      )
      const seen = yield* ServiceProcess.until(ofSlow, (one) => one !== undefined)
      assert.deepInclude(seen, { method: "GET", state: "pending", connected: true, status: null })
      const one = `${url}/api/v1/requests/${seen?.id}`
      const cancel = () => asked(one, { method: "DELETE" })
      const first = yield* Effect.promise(cancel)
      assert.strictEqual(first.status, 200)
      const answer = yield* Fiber.join(slow)
      assert.strictEqual(answer.status, 503)
      assert.include(answer.body, "urn:ostinato:request-cancelled")
      const ended = yield* ServiceProcess.getJson(one, RequestSummary)
      assert.deepInclude(ended, { state: "cancelled", status: 503 })
      assert.isUndefined(yield* ofSlow)
      assert.strictEqual((yield* Effect.promise(cancel)).status, 409)
      const unknown = yield* Effect.promise(() => asked(`${url}/api/v1/requests/nothing`, { method: "DELETE" }))
      assert.deepStrictEqual([unknown.status, unknown.headers.get("content-type")], [404, "application/problem+json"])
      yield* release
    }))

  it.effect("S0.2 S1.2 S2.1 answers 500 requests while a run is at work", () =>
    Effect.gen(function*() {
      const { address } = yield* HttpServer.HttpServer
      const url = HttpServer.formatAddress(address)
      const gate = yield* Latch.make()
      const begun = yield* Latch.make()
      const Long = Task.fn("bare.long", {}, () => Effect.andThen(begun.open, gate.await))
      const run = yield* Effect.forkChild(Dispatch.here(Long, {}, { kind: "code" }))
      yield* begun.await
      const paths = Array.from({ length: 500 }, (_, n) => n % 10 === 0 ? "/api/v1/runs?task=bare.long" : "/livez")
      const answers = yield* Effect.forEach(paths, (path) => ServiceProcess.get(url + path), { concurrency: 20 })
      assert.isTrue(answers.every(({ status }) => status === 200))
      assert.isTrue(answers.filter((_, n) => n % 10 === 0).every(({ body }) => body.includes(`"status":"running"`)))
      yield* gate.open
      yield* (yield* Fiber.join(run)).await
    }))

  it.effect("S1.32 is ready while user code holds every connection of its pool", () =>
    Effect.gen(function*() {
      const { address } = yield* HttpServer.HttpServer
      const sql = yield* SqlClient.SqlClient
      const [full, release] = [yield* Latch.make(), yield* Latch.make()]
      let held = 0
      const holder = sql.withTransaction(Effect.gen(function*() {
        yield* sql`SELECT 1`
        if (++held === 8) yield* full.open
        yield* release.await
      }))
      const holders = yield* Effect.forkChild(
        Effect.forEach(Array.from({ length: 8 }), () => holder, { concurrency: "unbounded", discard: true })
      )
      yield* full.await
      const { body, status } = yield* ServiceProcess.get(`${HttpServer.formatAddress(address)}/readyz`)
      assert.strictEqual(status, 200, body)
      assert.include(body, `{"name":"database","ok":true,"detail":"answers"}`)
      yield* release.open
      yield* Fiber.join(holders)
    }))

  it.effect("is ready only once its scheduler and its worker have begun, and says which has not", () =>
    Effect.gen(function*() {
      let phase: TaskScheduler.Status = "stopped"
      const current = Context.get(yield* Layer.build(Layer.fresh(CurrentWorker.layer)), CurrentWorker)
      const context = yield* Effect.context<ControlSql | Supervisor>()
      const routes = Health.layer.pipe(Layer.provide([
        Layer.succeedContext(Context.pick(ControlSql, Supervisor)(context)),
        Layer.succeed(CurrentWorker, current),
        Layer.mock(TaskScheduler.TaskScheduler, { status: Effect.sync(() => phase) }),
        Layer.effect(ServiceConfig.ServiceConfig, ServiceConfig.load)
      ]))
      const { dispose, handler } = HttpRouter.toWebHandler(Layer.provide(routes, NodeHttpServer.layerHttpServices))
      yield* Effect.addFinalizer(() => Effect.promise(dispose))
      const ready = Effect.promise(async () => {
        const response = await handler(new Request("http://localhost/readyz"))
        return [response.status, await response.text()] as const
      })
      const [status, said] = yield* ready
      assert.strictEqual(status, 503)
      assert.include(said, `{"name":"scheduler","ok":false,"detail":"does not run: it has not begun, or has ended"}`)
      assert.include(said, `{"name":"worker","ok":false,"detail":"has not begun"}`)
      phase = "running"
      assert.strictEqual((yield* ready)[0], 503)
      yield* current.set("none")
      assert.deepStrictEqual((yield* ready)[0], 200)
      phase = "stopping"
      assert.strictEqual((yield* ready)[0], 503)
    }))

  it.effect("D.2 S1.23 is ready again as soon as a fiber runs that had failed again and again", () =>
    Effect.gen(function*() {
      const { address } = yield* HttpServer.HttpServer
      const supervisor = yield* Supervisor
      const running = yield* Latch.make()
      let starts = 0
      const loop = Effect.suspend(() => ++starts > 6 ? Effect.andThen(running.open, Effect.never) : Effect.fail("no"))
      yield* supervisor.start("test.flaky", loop, { restart: Schedule.forever })
      yield* running.await
      const { body, status } = yield* ServiceProcess.get(`${HttpServer.formatAddress(address)}/readyz`)
      assert.strictEqual(status, 200, body)
    }))

  it.effect("D.5 a second service in a schema of its own shares the database and sees no run of the first", () =>
    Effect.gen(function*() {
      const Seen = Task.fn("bare.seen", {}, () => Effect.void)
      yield* (yield* Dispatch.here(Seen, {}, { kind: "code" })).await
      const url = yield* beside("other")
      assert.strictEqual((yield* ServiceProcess.get(`${url}/api/v1/runs`)).body, `{"items":[]}`)
    }))

  it.effect("with its schedules disabled it says so and is ready", () =>
    Effect.gen(function*() {
      const { body, status } = yield* ServiceProcess.get(`${yield* beside("disabled")}/readyz`)
      assert.strictEqual(status, 200, body)
      assert.include(body, `{"name":"scheduler","ok":true,"detail":"disabled"}`)
    }))

  it.effect("gives an application checkpoints that the database keeps", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      yield* beside("keeping")
      assert.deepStrictEqual(yield* sql`SELECT key, value FROM keeping.checkpoint`, [{
        key: "keeping",
        value: { at: 7 }
      }])
    }))

  it.effect("lists schedules with what operators need, and never with what their runs are given", () =>
    Effect.gen(function*() {
      const { address } = yield* HttpServer.HttpServer
      const store = yield* ScheduleStore
      yield* store.register({
        name: "bare.stored",
        task: "bare.work",
        timetable: Timetable.cronUnsafe("0 2 * * *", { timeZone: "Europe/Berlin" }),
        policy: SchedulePolicy.standard,
        source: "stored",
        tenant: "acme",
        payload: { token: "hunter2" }
      })
      const { items: [listed] } = yield* ServiceProcess.getJson(
        `${HttpServer.formatAddress(address)}/api/v1/schedules`,
        Schema.Struct({ items: Schema.Array(Schema.Record(Schema.String, Schema.Json)) })
      )
      const { nextTick, ...schedule } = listed ?? assert.fail("no schedule")
      assert.match(typeof nextTick === "string" ? nextTick : "none", /^\d{4}-\d\d-\d\dT0[01]:00:00\.000Z$/)
      assert.deepStrictEqual(schedule, {
        name: "bare.stored",
        task: "bare.work",
        timetable: "0 2 * * * Europe/Berlin",
        policy: { overlap: "skip", missed: "last", jitterMs: 0 },
        source: "stored",
        tenant: "acme",
        paused: false,
        orphaned: false,
        lastTick: null,
        open: 0,
        waiting: 0
      })
    }))

  it.effect("D.9 cancels a run by the API, with actor and reason, and says so to whoever asks again", () =>
    Effect.gen(function*() {
      const { address } = yield* HttpServer.HttpServer
      const url = `${HttpServer.formatAddress(address)}/api/v1/runs`
      const [begun, stopping, go] = [yield* Latch.make(), yield* Latch.make(), yield* Latch.make()]
      const Long = Task.fn("bare.cancelled", {}, () =>
        Effect.gen(function*() {
          yield* Effect.addFinalizer(() => Effect.andThen(stopping.open, go.await))
          yield* begun.open
          return yield* Effect.never
        }))
      const run = yield* Effect.forkChild(
        Effect.flatMap(Dispatch.here(Long, {}, { kind: "code" }), (ref) => Effect.exit(ref.await))
      )
      yield* begun.await
      const log = yield* RunLog
      const [open] = yield* log.list({ task: "bare.cancelled" })
      const id = open?.id ?? assert.fail("no run")
      const cancel = (id: string, by: unknown, headers: Record<string, string> = {}) =>
        HttpClient.execute(
          HttpClientRequest.bodyJsonUnsafe(HttpClientRequest.post(`${url}/${id}/cancel`, { headers }), by)
        ).pipe(
          Effect.flatMap((answer) => Effect.map(answer.json, (body) => [answer.status, body])),
          Effect.provide(FetchHttpClient.layer)
        )
      assert.strictEqual((yield* cancel(id, {}, { "sec-fetch-site": "cross-site" }))[0], 403)
      assert.deepStrictEqual(
        yield* cancel(id, { actor: "ada", reason: "wrong branch" }),
        [200, { answer: "requested" }]
      )
      yield* stopping.await
      assert.deepStrictEqual(yield* cancel(id, {}), [200, { answer: "already" }])
      yield* go.open
      yield* Fiber.join(run)
      const by = { actor: "ada", reason: "wrong branch" }
      assert.deepInclude(yield* log.get(id), { status: "cancelled", cancellation: by })
      assert.deepStrictEqual(yield* cancel(id, {}), [200, { answer: "ended" }])
      assert.strictEqual((yield* cancel("none", {}))[0], 404)
    }))

  it.effect("S0.51 shows the last 150 runs with percentiles, in the history and as metrics", () =>
    Effect.gen(function*() {
      const { address } = yield* HttpServer.HttpServer
      const url = HttpServer.formatAddress(address)
      const Work = Task.fn(
        "bare.work",
        { payload: { n: Schema.Int } },
        ({ n }) => Effect.andThen(Effect.logInfo(`at work on ${n}`), n % 50 === 0 ? Effect.die("bug") : Effect.void)
      )
      const runs = yield* Effect.forEach(
        Array.from({ length: 150 }, (_, n) => n),
        (n) => Dispatch.here(Work, { n }, { kind: "code" })
      )
      const json = (path: string) => Effect.map(ServiceProcess.get(url + path), ({ body }) => JSON.parse(body))
      const history = yield* json("/api/v1/runs?task=bare.work&limit=200")
      assert.deepStrictEqual(
        history.items.map((run: { readonly id: string }) => run.id),
        runs.map(({ id }) => id).reverse()
      )
      const statistics = yield* json("/api/v1/runs/statistics?task=bare.work")
      assert.strictEqual(statistics.runs, 150)
      assert.deepStrictEqual(statistics.outcomes, { completed: 147, failed: 3 })
      const times = history.items.map((run: { readonly runMs: number }) => run.runMs).sort((a: number, b: number) =>
        a - b
      )
      assert.deepStrictEqual(statistics.runMs, { p50: times[74], p95: times[142], p99: times[148], max: times[149] })
      assert.match(
        (yield* ServiceProcess.get(`${url}/metrics`)).body,
        /ostinato_task_run_seconds_count\{task="bare\.work",executor="here",outcome="completed"\} 147/
      )
      const details = yield* json(`/api/v1/runs/${runs[1]?.id}/details`)
      assert.strictEqual(details.logs[0].message, "at work on 1")
    }))
})
