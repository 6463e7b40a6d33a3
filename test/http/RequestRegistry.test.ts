import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Metric from "effect/Metric"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import { ActiveRequest } from "ostinato/http/ActiveRequest"
import * as ClientDisconnect from "ostinato/http/ClientDisconnect"
import * as Deferral from "ostinato/http/Deferral"
import * as RequestLimit from "ostinato/http/RequestLimit"
import * as RequestTimeout from "ostinato/http/RequestTimeout"
import { heldBytes } from "../jobs/heldBytes.ts"
import { type Client, open, streamed } from "./Site.ts"

/** Bytes of buffers that something still holds: they are given back some turns after the collection. */
const heldBuffers = Effect.gen(function*() {
  let least = Number.POSITIVE_INFINITY
  for (let turn = 0; turn < 20; turn++) {
    yield* heldBytes
    yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
    least = Math.min(least, process.memoryUsage().arrayBuffers)
  }
  return least
})

const text = HttpServerResponse.text

/** Work that tells how it ended. */
const working = Effect.gen(function*() {
  const gate = yield* Latch.make(false)
  const ends: Array<string> = []
  const work = gate.await.pipe(
    Effect.as(text("done")),
    Effect.onExit((exit) => Effect.sync(() => ends.push(exit._tag === "Success" ? "finished" : "interrupted")))
  )
  return { ends, gate, work }
})

const statuses = (clients: ReadonlyArray<Client>) =>
  Effect.forEach(clients, ({ answer }) => Effect.map(answer, ({ status }) => status))

describe("a time limit", () => {
  it.effect("is 60 seconds unless something is said, and ends the request without further traffic (S4.19, S4.20)", () =>
    Effect.gen(function*() {
      const { ends, work } = yield* working
      const site = yield* open(HttpRouter.add("GET", "/slow", work))
      const client = yield* site.send("/slow")
      yield* TestClock.adjust("59999 millis")
      assert.isFalse(yield* client.isAnswered)
      yield* TestClock.adjust("1 millis")
      const answer = yield* client.answer
      assert.deepStrictEqual([answer.status, answer.headers["content-type"]], [408, "application/problem+json"])
      assert.include(yield* answer.text, "60000 ms")
      assert.deepStrictEqual(ends, ["interrupted"])
      assert.strictEqual(yield* site.registry.active, 0)
    }))

  it.effect("of 0 is none (S4.19)", () =>
    Effect.gen(function*() {
      const { gate, work } = yield* working
      const site = yield* open(HttpRouter.add("GET", "/slow", work), { timeout: 0 })
      const client = yield* site.send("/slow")
      yield* TestClock.adjust("10 minutes")
      assert.isFalse(yield* client.isAnswered)
      yield* gate.open
      assert.strictEqual((yield* client.answer).status, 200)
    }))

  it.effect("and its status may differ by registry, route and request (S4.20)", () =>
    Effect.gen(function*() {
      const { work } = yield* working
      const own = Effect.andThen(RequestTimeout.set("2 seconds"), work)
      const site = yield* open(
        Layer.mergeAll(
          HttpRouter.add("GET", "/registry", work),
          HttpRouter.add("GET", "/route", work.pipe(RequestTimeout.within("1 second", { status: 504 }))),
          HttpRouter.add("GET", "/request", own)
        ),
        { timeout: "3 seconds", timeoutStatus: 503 }
      )
      const [ofRegistry, ofRoute, ofRequest] = yield* Effect.all([
        site.send("/registry"),
        site.send("/route"),
        site.send("/request")
      ])
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* ofRoute.answer).status, 504)
      assert.isFalse(yield* ofRequest.isAnswered)
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* ofRequest.answer).status, 503)
      assert.isFalse(yield* ofRegistry.isAnswered)
      yield* TestClock.adjust("1 second")
      const answer = yield* ofRegistry.answer
      assert.deepStrictEqual([answer.status, answer.headers["retry-after"]], [503, "1"])
    }))

  it.effect("leaves a record of state timeout (S4.20, S4.24)", () =>
    Effect.gen(function*() {
      const { work } = yield* working
      const site = yield* open(HttpRouter.add("GET", "/slow", work))
      const client = yield* site.send("/slow")
      const [one] = yield* site.registry.list
      yield* TestClock.adjust("1 minute")
      yield* client.answer
      assert.deepInclude(yield* site.registry.find(one?.id ?? ""), { state: "timeout", status: 408, ageMs: 60_000 })
    }))

  it.effect("that is over does not wait for work that ignores interruption longer than the grace (S4.20, D.4)", () =>
    Effect.gen(function*() {
      const gate = yield* Latch.make(false)
      const stubborn = Effect.uninterruptible(Effect.as(gate.await, text("late")))
      const site = yield* open(HttpRouter.add("GET", "/stubborn", stubborn), { timeout: "5 seconds" })
      const client = yield* site.send("/stubborn")
      yield* TestClock.adjust("5 seconds")
      assert.isFalse(yield* client.isAnswered)
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* client.answer).status, 408)
      yield* gate.open
      assert.strictEqual(client.sent(), 1)
    }))

  it.effect("may be put upon all at once, and each client is told (S4.21)", () =>
    Effect.gen(function*() {
      const { work } = yield* working
      const site = yield* open(HttpRouter.add("GET", "/slow", work))
      const clients = yield* Effect.replicateEffect(site.send("/slow"), 5)
      assert.strictEqual(yield* site.registry.timeoutAll, 5)
      assert.deepStrictEqual(yield* statuses(clients), [408, 408, 408, 408, 408])
      assert.strictEqual(yield* site.registry.active, 0)
    }))
})

describe("cancelling a request", () => {
  it.effect("answers its client at once and drops what its work gives (S4.23, S4.24, S4.25)", () =>
    Effect.gen(function*() {
      const { ends, gate, work } = yield* working
      const site = yield* open(HttpRouter.add("GET", "/slow", Effect.uninterruptible(work)))
      const client = yield* site.send("/slow")
      const [one] = yield* site.registry.list
      const id = one?.id ?? ""
      assert.strictEqual(yield* site.registry.cancel(id, { status: 410, reason: "not wanted any more" }), "cancelled")
      assert.strictEqual(yield* site.registry.cancel(id), "ended")
      assert.strictEqual(yield* site.registry.cancel("3f0e4c0e-0000-4000-8000-000000000000"), "unknown")
      yield* TestClock.adjust("1 second")
      const answer = yield* client.answer
      assert.strictEqual(answer.status, 410)
      assert.include(yield* answer.text, "not wanted any more")
      assert.deepInclude(yield* site.registry.find(id), { state: "cancelled", reason: "not wanted any more" })
      yield* gate.open
      yield* Effect.yieldNow
      assert.deepStrictEqual([ends, client.sent()], [["finished"], 1])
      assert.strictEqual(yield* site.registry.active, 0)
    }))

  it.effect("cuts off an answer that is being streamed (S4.32)", () =>
    Effect.gen(function*() {
      const ended = yield* Latch.make(false)
      const endless = Stream.ensuring(Stream.concat(Stream.make("first"), Stream.never), ended.open)
      const site = yield* open(HttpRouter.add("GET", "/stream", Effect.succeed(streamed(endless))))
      const client = yield* site.send("/stream")
      const answer = yield* client.answer
      const [one] = yield* site.registry.list
      assert.strictEqual(one?.state, "streaming")
      assert.strictEqual(yield* site.registry.cancel(one?.id ?? ""), "cancelled")
      yield* ended.await
      assert.strictEqual(yield* answer.text, "first cut off")
      assert.strictEqual(yield* site.registry.active, 0)
    }))
})

describe("a client that leaves", () => {
  it.effect("takes its work along, unless that goes on detached, or is handed over (S4.22, S4.34)", () =>
    Effect.gen(function*() {
      const interrupted = yield* working
      const detached = yield* working
      const handed = yield* working
      const jobs: Array<string> = []
      const site = yield* open(Layer.mergeAll(
        HttpRouter.add("GET", "/interrupt", interrupted.work),
        HttpRouter.add("GET", "/detach", detached.work.pipe(ClientDisconnect.detach)),
        HttpRouter.add(
          "GET",
          "/enqueue",
          handed.work.pipe(ClientDisconnect.handOver(Effect.sync(() => jobs.push("enqueued"))))
        )
      ))
      const clients = yield* Effect.all([site.send("/interrupt"), site.send("/detach"), site.send("/enqueue")])
      for (const { leave } of clients) yield* leave
      assert.strictEqual(yield* site.registry.active, 0)
      assert.deepStrictEqual([interrupted.ends, detached.ends, handed.ends], [["interrupted"], [], ["interrupted"]])
      assert.deepStrictEqual(jobs, ["enqueued"])
      yield* detached.gate.open
      yield* Effect.yieldNow
      assert.deepStrictEqual(detached.ends, ["finished"])
      assert.strictEqual(yield* site.registry.cleanUp, 0)
      assert.deepStrictEqual(clients.map(({ sent }) => sent()), [0, 0, 0])
    }))
})

describe("a limit of requests", () => {
  it.effect("refuses those beyond it with 429, and takes more when a slot is free (S4.29)", () =>
    Effect.gen(function*() {
      const { gate, work } = yield* working
      const limit = RequestLimit.make({ concurrent: 3, retryAfter: "2 seconds" })
      const site = yield* open(Layer.mergeAll(
        HttpRouter.add("GET", "/limited", work.pipe(limit.apply)),
        HttpRouter.add("GET", "/free", text("free"))
      ))
      const clients = yield* Effect.replicateEffect(site.send("/limited"), 5)
      assert.deepStrictEqual(yield* statuses(clients.slice(3)), [429, 429])
      assert.strictEqual((yield* clients[3]!.answer).headers["retry-after"], "2")
      assert.strictEqual((yield* (yield* site.send("/free")).answer).status, 200)
      yield* gate.open
      assert.deepStrictEqual(yield* statuses(clients.slice(0, 3)), [200, 200, 200])
      assert.strictEqual((yield* (yield* site.send("/limited")).answer).status, 200)
    }))

  it.effect("holds a slot until a deferred answer was given (S4.29)", () =>
    Effect.gen(function*() {
      const taken: Array<Deferral.Deferral> = []
      const limit = RequestLimit.make({ concurrent: 1 })
      const deferred = Effect.map(Deferral.take, (one) => {
        taken.push(one)
        return one.later
      })
      const site = yield* open(HttpRouter.add("GET", "/deferred", deferred.pipe(limit.apply)))
      const first = yield* site.send("/deferred")
      assert.strictEqual((yield* (yield* site.send("/deferred")).answer).status, 429)
      yield* taken[0]!.complete(text("done"))
      yield* first.answer
      assert.strictEqual(yield* limit.running, 0)
    }))

  it.effect("lets some wait for so long, in their order, and never begins one whose client left (S4.29, S4.35)", () =>
    Effect.gen(function*() {
      const begun: Array<string> = []
      const gate = yield* Latch.make(false)
      const limit = RequestLimit.make({ concurrent: 1, waiting: 3, maxWait: "5 seconds" })
      const work = Effect.flatMap(
        HttpRouter.params,
        ({ name }) => Effect.andThen(Effect.sync(() => begun.push(name ?? "")), Effect.as(gate.await, text("done")))
      )
      const site = yield* open(HttpRouter.add("GET", "/limited/:name", work.pipe(limit.apply)))
      const [a, b, c] = yield* Effect.forEach(["a", "b", "c"], (name) => site.send(`/limited/${name}`))
      assert.deepStrictEqual((yield* site.registry.list).map(({ state }) => state), ["pending", "queued", "queued"])
      yield* b!.leave
      assert.strictEqual(yield* limit.waiting, 1)
      yield* TestClock.adjust("4 seconds")
      const d = yield* site.send("/limited/d")
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* c!.answer).status, 429)
      yield* gate.open
      assert.deepStrictEqual(yield* statuses([a!, d]), [200, 200])
      assert.deepStrictEqual(begun, ["a", "d"])
      assert.deepStrictEqual([yield* limit.running, yield* limit.waiting], [0, 0])
    }))

  it.effect("of a registry that is full, or that stops, is 503, as a problem (S4.5)", () =>
    Effect.gen(function*() {
      const { gate, work } = yield* working
      const site = yield* open(HttpRouter.add("GET", "/slow", work), { capacity: 1 })
      const first = yield* site.send("/slow")
      const refused = yield* (yield* site.send("/slow")).answer
      assert.strictEqual(refused.status, 503)
      assert.include(yield* refused.text, "urn:ostinato:requests-full")
      const drained = yield* Effect.forkScoped(site.registry.drain("10 seconds"), { startImmediately: true })
      const late = yield* (yield* site.send("/slow")).answer
      assert.deepStrictEqual([late.status, late.headers["retry-after"]], [503, "1"])
      yield* gate.open
      assert.strictEqual((yield* first.answer).status, 200)
      assert.strictEqual(yield* Fiber.join(drained), 0)
    }))

  it.effect("of time for a drain ends what is left over (S4.21)", () =>
    Effect.gen(function*() {
      const { work } = yield* working
      const site = yield* open(HttpRouter.add("GET", "/slow", work))
      const clients = yield* Effect.replicateEffect(site.send("/slow"), 2)
      const drained = yield* Effect.forkScoped(site.registry.drain("10 seconds"), { startImmediately: true })
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual(yield* statuses(clients), [408, 408])
      assert.strictEqual(yield* Fiber.join(drained), 2)
    }))
})

describe("a tracked request", () => {
  it.effect("has its own data, however many others are answered meanwhile (S4.7)", () =>
    Effect.gen(function*() {
      const own = Effect.gen(function*() {
        const request = yield* ActiveRequest
        const { n } = yield* HttpRouter.params
        yield* Effect.sleep(`${Number(n) % 7} millis`)
        const again = yield* ActiveRequest
        return text(`${n} ${request.id === again.id}`)
      })
      const site = yield* open(HttpRouter.add("GET", "/own/:n", own))
      const clients = yield* Effect.forEach(Array.from({ length: 1000 }, (_, n) => n), (n) => site.send(`/own/${n}`))
      yield* TestClock.adjust("10 millis")
      const told = yield* Effect.forEach(clients, ({ answer }) => Effect.flatMap(answer, ({ text }) => text))
      assert.deepStrictEqual(told, Array.from({ length: 1000 }, (_, n) => `${n} true`))
    }))

  it.effect("shows in ostinato_http_async_active while its answer is deferred (S4.18)", () =>
    Effect.gen(function*() {
      const taken: Array<Deferral.Deferral> = []
      const deferred = Effect.map(Deferral.take, (one) => {
        taken.push(one)
        return one.later
      })
      const site = yield* open(HttpRouter.add("GET", "/deferred", deferred))
      const shown = Effect.map(Metric.snapshot, (all) =>
        all.flatMap((one) =>
          one.id === "ostinato_http_async_active" && "value" in one.state ? [one.state.value] : []
        ))
      const client = yield* site.send("/deferred")
      assert.deepStrictEqual(yield* shown, [1])
      yield* taken[0]!.complete(text("done"))
      yield* client.answer
      assert.deepStrictEqual(yield* shown, [0])
    }))

  it.effect("is remembered when it has ended, its answer is not (S4.24)", () =>
    Effect.gen(function*() {
      const deferred = Effect.gen(function*() {
        const deferral = yield* Deferral.take
        yield* deferral.complete(HttpServerResponse.uint8Array(new Uint8Array(1_000_000)))
        return deferral.later
      })
      const site = yield* open(HttpRouter.add("GET", "/large", deferred))
      const answered = Effect.flatMap(site.send("/large"), ({ answer }) => Effect.map(answer, ({ status }) => status))
      yield* answered
      const before = yield* heldBuffers
      assert.deepStrictEqual(new Set(yield* Effect.replicateEffect(answered, 100)), new Set([200]))
      assert.isBelow((yield* heldBuffers) - before, 20_000_000)
    }))

  it.effect("that holds the event loop is named with its route and the time (S4.1)", () => {
    const lines: Array<string> = []
    const logger = Logger.make(({ message }) => void lines.push(String(message)))
    const block = Effect.sync(() => {
      const until = performance.now() + 300
      while (performance.now() < until);
      return text("done")
    })
    return Effect.gen(function*() {
      const site = yield* open(
        Layer.mergeAll(
          HttpRouter.add("GET", "/at-once", block),
          HttpRouter.add("GET", "/later", Effect.andThen(Effect.sleep(1), block)),
          HttpRouter.add("GET", "/quick", Effect.as(Effect.sleep(1), text("done")))
        ),
        { stall: "200 millis" }
      )
      const clients = yield* Effect.forEach(["/at-once", "/later", "/quick"], (path) => site.send(path))
      yield* TestClock.adjust("1 millis")
      yield* statuses(clients)
      const warned = lines.filter((line) => line.includes("held the event loop"))
      assert.deepStrictEqual(warned.map((line) => /^GET (\S+) .* \d+ ms/.exec(line)?.[1]), ["/at-once", "/later"])
    }).pipe(Effect.provide(Logger.layer([logger])))
  })

  const Step = Schema.Literals(["complete", "cancel", "timeout", "leave", "shutdown", "stream", "return"])

  it.effect.prop(
    "ends once and is answered at most once, whatever happens to it in whatever order (S4.27)",
    [Schema.Array(Step).check(Schema.isMinLength(1), Schema.isMaxLength(6))],
    ([steps]) =>
      Effect.gen(function*() {
        const ends: Array<string> = []
        const back = yield* Latch.make(false)
        let taken: Deferral.Deferral | undefined
        const handler = Effect.gen(function*() {
          taken = yield* Deferral.take
          yield* back.await
          return taken.later
        })
        const site = yield* open(HttpRouter.add("GET", "/any", handler), { timeout: "1 minute" })
        const client = yield* site.send("/any")
        const { id } = taken!
        let hasLeft = false
        for (const step of [...steps, "complete" as const]) {
          const before = yield* site.registry.find(id)
          if (step === "complete") yield* taken!.complete(text("done"))
          else if (step === "stream") {
            yield* taken!.complete(streamed(Stream.make("a", "b")))
          } else if (step === "cancel") yield* site.registry.cancel(id)
          else if (step === "timeout") yield* TestClock.adjust("1 minute")
          else if (step === "leave") {
            hasLeft = true
            yield* Effect.forkScoped(client.leave, { startImmediately: true })
          } else if (step === "shutdown") yield* Effect.forkScoped(site.registry.drain(0), { startImmediately: true })
          else yield* back.open
          yield* Effect.yieldNow
          const after = yield* site.registry.find(id)
          const isOver = ["completed", "cancelled", "timeout", "disconnected"].includes(before?.state ?? "")
          if (isOver) assert.strictEqual(after?.state, before?.state)
          ends.push(after?.state ?? "forgotten")
        }
        yield* TestClock.adjust("1 minute")
        if (!hasLeft) yield* Effect.flatMap(client.answer, ({ text }) => text)
        yield* TestClock.adjust("1 minute")
        assert.strictEqual(yield* site.registry.active, 0)
        assert.isAtMost(client.sent(), 1)
        if (!hasLeft) assert.strictEqual(client.sent(), 1)
        assert.include(["completed", "cancelled", "timeout", "disconnected"], (yield* site.registry.find(id))?.state)
      }).pipe(Effect.scoped),
    { arbitrary: { runs: 5000 } }
  )
})
