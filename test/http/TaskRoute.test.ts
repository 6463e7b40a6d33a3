import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/testing/TestClock"
import { Dispatch, MemoryRunLog, RunLog, Task } from "ostinato"
import * as Deferral from "ostinato/http/Deferral"
import * as Idempotency from "ostinato/http/Idempotency"
import * as OperationRoutes from "ostinato/http/OperationRoutes"
import * as Operations from "ostinato/http/Operations"
import { type Got, open } from "./Site.ts"

class Refused extends Schema.TaggedError<Refused>()("Refused", { reason: Schema.String }) {
  override get message() {
    return `refused: ${this.reason}`
  }
}

const Report = Task.make("test.report", {
  payload: { n: Schema.Int },
  success: Schema.Struct({ doubled: Schema.Int }),
  error: Refused
})

const turned = Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))

/** A site where reports are made when the gate is open. */
const reporting = Effect.gen(function*() {
  const gate = yield* Latch.make(false)
  const runs: Array<string> = []
  const Handler = Report.toLayer(({ n }) =>
    Effect.gen(function*() {
      runs.push(`${n}`)
      yield* Operations.report({ at: "begin" })
      yield* Effect.onInterrupt(gate.await, () => Effect.sync(() => runs.push(`${n} interrupted`)))
      if (n < 0) return yield* new Refused({ reason: "it is negative" })
      return { doubled: 2 * n }
    })
  )
  const once = Idempotency.make()
  const route = Deferral.respond(Report, { dispatch: Dispatch.here, timeout: "5 minutes" })
  const services = yield* Layer.build(Layer.mergeAll(Handler, MemoryRunLog.layer(), Operations.layer()))
  const site = yield* open(
    Layer.mergeAll(
      HttpRouter.add("POST", "/reports", Effect.provideContext(route, services)),
      HttpRouter.add(
        "POST",
        "/detached",
        Effect.provideContext(
          Deferral.respond(Report, { dispatch: Dispatch.here, onDisconnect: "detach" }),
          services
        )
      ),
      HttpRouter.add("POST", "/once", Effect.provideContext(route, services).pipe(once.apply)),
      OperationRoutes.layer().pipe(HttpRouter.provideRequest(Layer.succeedContext(services)))
    )
  )
  const post = (n: number, headers: Record<string, string> = {}, path = "/reports") =>
    site.send(path, {
      method: "POST",
      body: JSON.stringify({ n }),
      headers: { "content-type": "application/json", ...headers }
    })
  /** Waits until so many runs have begun or ended early: their bodies are read by the platform. */
  const until = (n: number): Effect.Effect<void> =>
    Effect.suspend(() => runs.length >= n ? Effect.void : Effect.andThen(turned, until(n)))
  return { gate, once, post, runs, services, site, until }
})

const Shown = Schema.Struct({
  id: Schema.String,
  state: Schema.String,
  result: Schema.Unknown,
  problem: Schema.Unknown
})
const shown = ({ text }: Got) => Effect.flatMap(text, Schema.decodeUnknownEffect(Schema.fromJsonString(Shown)))

describe("a task behind a route", () => {
  it.effect("answers with its value when it has ended (S4.36, S1.20)", () =>
    Effect.gen(function*() {
      const { gate, post, services } = yield* reporting
      const client = yield* post(21)
      assert.isFalse(yield* client.isAnswered)
      yield* gate.open
      const answer = yield* client.answer
      assert.deepStrictEqual([answer.status, yield* answer.text], [200, "{\"doubled\":42}"])
      const [run] = yield* Effect.provideContext(Effect.flatMap(RunLog.RunLog, (log) => log.list({})), services)
      assert.deepInclude(run, { task: "test.report", status: "completed" })
      assert.deepStrictEqual(run?.trigger, { kind: "http", method: "POST", path: "/reports" })
    }))

  it.effect("is waited for as long as its client prefers, which then is told where to look (S4.36)", () =>
    Effect.gen(function*() {
      const { gate, post, site } = yield* reporting
      const waiting = yield* post(1, { prefer: "respond-async, wait=10" })
      yield* TestClock.adjust("9 seconds")
      assert.isFalse(yield* waiting.isAnswered)
      yield* TestClock.adjust("1 second")
      const accepted = yield* waiting.answer
      assert.deepStrictEqual(
        [accepted.status, accepted.headers["preference-applied"]],
        [202, "respond-async, wait=10"]
      )
      const location = accepted.headers["location"] ?? ""
      assert.match(location, /^\/operations\/[0-9a-f-]{36}$/)
      const running = yield* (yield* site.send(location)).answer
      assert.strictEqual(running.headers["retry-after"], "1")
      assert.deepInclude(yield* shown(running), { state: "running", result: null })
      yield* gate.open
      yield* Effect.yieldNow
      const ended = yield* (yield* site.send(location)).answer
      assert.deepInclude(yield* shown(ended), { state: "completed", result: { doubled: 2 } })

      const soon = yield* post(2, { prefer: "wait=10" })
      const answer = yield* soon.answer
      assert.deepStrictEqual([answer.status, answer.headers["preference-applied"]], [200, "wait=10"])
    }))

  it.effect("tells of its progress and end as events (S4.36)", () =>
    Effect.gen(function*() {
      const { gate, post, site } = yield* reporting
      const accepted = yield* (yield* post(4, { prefer: "respond-async" })).answer
      const watching = yield* site.send(accepted.headers["location"] ?? "", {
        headers: { accept: "text/event-stream" }
      })
      const events = yield* watching.answer
      yield* TestClock.adjust("1 millis")
      assert.strictEqual(events.headers["content-type"], "text/event-stream")
      yield* gate.open
      const text = yield* events.text
      const states = [...text.matchAll(/^data: .*"state":"(\w+)"/gm)].map(([, state]) => state)
      assert.deepStrictEqual([states[0], states.at(-1)], ["running", "completed"])
      assert.include(text, "\"progress\":{\"at\":\"begin\"}")
    }))

  it.effect("is cancelled where it is shown, and a second time is told so (S4.36, S4.23)", () =>
    Effect.gen(function*() {
      const { post, runs, site } = yield* reporting
      const accepted = yield* (yield* post(5, { prefer: "respond-async" })).answer
      const location = accepted.headers["location"] ?? ""
      const cancel = Effect.flatMap(site.send(location, { method: "DELETE" }), ({ answer }) => answer)
      assert.deepInclude(yield* shown(yield* cancel), { state: "cancelled" })
      assert.deepStrictEqual(runs, ["5", "5 interrupted"])
      assert.strictEqual((yield* cancel).status, 409)
      const unknown = yield* (yield* site.send("/operations/nothing", { method: "DELETE" })).answer
      assert.deepStrictEqual([unknown.status, unknown.headers["content-type"]], [404, "application/problem+json"])
    }))

  it.effect("that fails is a problem with its tag and what it says (S1.18, S4.36)", () =>
    Effect.gen(function*() {
      const { gate, post } = yield* reporting
      yield* gate.open
      const answer = yield* (yield* post(-1)).answer
      assert.deepStrictEqual([answer.status, answer.headers["content-type"]], [500, "application/problem+json"])
      const text = yield* answer.text
      assert.include(text, "Refused")
      assert.include(text, "refused: it is negative")
    }))

  it.effect("tells what of a body does not fit, and begins nothing (S4.36)", () =>
    Effect.gen(function*() {
      const { runs, site } = yield* reporting
      const send = (body: string, type = "application/json") =>
        Effect.gen(function*() {
          const client = yield* site.send("/reports", { method: "POST", body, headers: { "content-type": type } })
          const answer = yield* client.answer
          return [answer.status, /"type":"urn:ostinato:([\w-]+)"/.exec(yield* answer.text)?.[1]]
        })
      assert.deepStrictEqual(yield* send("{\"n\":\"one\"}"), [400, "payload-invalid"])
      assert.deepStrictEqual(yield* send("{\"n\":"), [400, "body-malformed"])
      assert.deepStrictEqual(yield* send(""), [400, "payload-invalid"])
      assert.deepStrictEqual(yield* send("n=1", "text/plain"), [415, "body-not-json"])
      assert.deepStrictEqual(runs, [])
    }))

  it.effect("ends with its client, unless it is detached (S4.34)", () =>
    Effect.gen(function*() {
      const { gate, post, runs, until } = yield* reporting
      const waiting = yield* post(6)
      yield* until(1)
      yield* waiting.leave
      const detached = yield* post(7, {}, "/detached")
      yield* until(3)
      yield* detached.leave
      assert.deepStrictEqual(runs, ["6", "6 interrupted", "7"])
      yield* gate.open
    }))

  it.effect("ends when its time is up, also where it would go on without its client (S4.20)", () =>
    Effect.gen(function*() {
      const { post, runs, until } = yield* reporting
      const clients = [yield* post(8), yield* post(9, {}, "/detached")]
      yield* until(2)
      yield* TestClock.adjust("5 minutes")
      for (const { answer } of clients) assert.strictEqual((yield* answer).status, 408)
      assert.sameMembers(runs, ["8", "9", "8 interrupted", "9 interrupted"])
    }))
})

describe("an Idempotency-Key", () => {
  it.effect("gives the same request the same answer, refuses another, and one that is still running (S4.36)", () =>
    Effect.gen(function*() {
      const { gate, post, runs } = yield* reporting
      const key = { "idempotency-key": "key-1" }
      const first = yield* post(1, key, "/once")
      assert.strictEqual((yield* (yield* post(1, key, "/once")).answer).status, 409)
      assert.strictEqual((yield* (yield* post(2, key, "/once")).answer).status, 422)
      yield* gate.open
      const answer = yield* first.answer
      const again = yield* (yield* post(1, key, "/once")).answer
      assert.deepStrictEqual([again.status, yield* again.text], [200, yield* answer.text])
      assert.strictEqual(again.headers["idempotency-replayed"], "true")
      assert.deepStrictEqual(runs, ["1"])
    }))

  it.effect("of a request that failed or was cut off may be tried again (S4.36)", () =>
    Effect.gen(function*() {
      const { gate, once, post, runs, until } = yield* reporting
      const key = { "idempotency-key": "key-2" }
      const left = yield* post(-1, key, "/once")
      yield* until(1)
      yield* left.leave
      assert.strictEqual(yield* once.size, 0)
      yield* gate.open
      assert.strictEqual((yield* (yield* post(-1, key, "/once")).answer).status, 500)
      assert.strictEqual((yield* (yield* post(-1, key, "/once")).answer).status, 500)
      assert.deepStrictEqual(runs, ["-1", "-1 interrupted", "-1", "-1"])
    }))

  it.effect("is forgotten after a while, must be there where it is required, and is well formed (S4.36)", () =>
    Effect.gen(function*() {
      let runs = 0
      const counted = Effect.sync(() => {
        runs += 1
        return HttpServerResponse.empty({ status: 201 })
      })
      const once = Idempotency.make({ required: true, keep: "1 hour", most: 2 })
      const site = yield* open(HttpRouter.add("POST", "/", counted.pipe(once.apply)))
      const post = (key?: string) =>
        Effect.gen(function*() {
          const client = yield* site.send("/", {
            method: "POST",
            headers: key === undefined ? {} : { "idempotency-key": key }
          })
          return (yield* client.answer).status
        })
      assert.deepStrictEqual([yield* post(), yield* post("a b"), yield* post("a"), yield* post("a")], [
        400,
        400,
        201,
        201
      ])
      assert.strictEqual(runs, 1)
      yield* TestClock.adjust("1 hour")
      yield* post("a")
      assert.strictEqual(runs, 2)
      yield* Effect.forEach(["b", "c", "d"], post)
      assert.strictEqual(yield* once.size, 2)
    }))
})
