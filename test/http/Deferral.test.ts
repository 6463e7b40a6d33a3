import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/testing/TestClock"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import type { ActiveRequest } from "ostinato/http/ActiveRequest"
import * as Deferral from "ostinato/http/Deferral"
import { expectTypeOf } from "vitest"
import { ask, open } from "./Site.ts"

setFlagsFromString("--expose-gc")
const collect: () => void = runInNewContext("gc")

/** A route whose deferral the test completes. */
const deferring = Effect.gen(function*() {
  const taken = yield* Deferred.make<Deferral.Deferral>()
  const route = HttpRouter.add(
    "GET",
    "/later/:id",
    Effect.gen(function*() {
      const deferral = yield* Deferral.take
      yield* Deferred.succeed(taken, deferral)
      return deferral.later
    })
  )
  const site = yield* open(route)
  return { site, deferral: Deferred.await(taken) }
})

const text = HttpServerResponse.text

describe("a deferred answer", () => {
  it.effect("is awaited after its handler has returned, and sent when it is completed (S4.2, S4.3)", () =>
    Effect.gen(function*() {
      const { deferral, site } = yield* deferring
      const client = yield* site.send("/later/1")
      const taken = yield* deferral
      yield* TestClock.adjust("30 seconds")
      assert.isFalse(yield* client.isAnswered)
      assert.strictEqual(client.sent(), 0)
      assert.isTrue(yield* taken.complete(text("done", { status: 201, headers: { "x-by": "timer" } })))
      const answer = yield* client.answer
      assert.deepStrictEqual([answer.status, answer.headers["x-by"], yield* answer.text], [201, "timer", "done"])
    }))

  it.effect("is one active request from its handler's begin to its end (S4.4)", () =>
    Effect.gen(function*() {
      const { deferral, site } = yield* deferring
      const client = yield* site.send("/later/1?token=secret")
      const taken = yield* deferral
      yield* TestClock.adjust("2 seconds")
      const [one] = yield* site.registry.list
      assert.deepInclude(one, { id: taken.id, method: "GET", route: "/later/:id", state: "deferred", ageMs: 2000 })
      assert.match(taken.id, /^[0-9a-f]{8}-[0-9a-f]{4}-4/)
      assert.notInclude(Object.values(one ?? {}).map(String).join(), "secret")
      yield* taken.complete(text("done"))
      yield* client.answer
      assert.strictEqual(yield* site.registry.active, 0)
    }))

  it.effect("is sent once: whoever completes it again is told so (S4.9)", () =>
    Effect.gen(function*() {
      const { deferral, site } = yield* deferring
      const client = yield* site.send("/later/1")
      const taken = yield* deferral
      assert.isTrue(yield* taken.complete(text("first")))
      assert.isFalse(yield* taken.complete(text("second")))
      assert.isFalse(yield* taken.cancel())
      assert.strictEqual(yield* (yield* client.answer).text, "first")
      assert.strictEqual(client.sent(), 1)
      assert.isFalse(yield* taken.isOpen)
    }))

  it.effect("that is cancelled is a problem with the status that was named (S4.10, S4.26)", () =>
    Effect.gen(function*() {
      const { deferral, site } = yield* deferring
      const client = yield* site.send("/later/1")
      const taken = yield* deferral
      yield* taken.cancel({ status: 409, reason: "another edit came first" })
      const answer = yield* client.answer
      assert.strictEqual(answer.status, 409)
      assert.strictEqual(answer.headers["content-type"], "application/problem+json")
      assert.include(yield* answer.text, "another edit came first")
      assert.deepInclude(yield* site.registry.find(taken.id), { state: "cancelled", status: 409 })
    }))

  it.effect("that is completed with a delay is sent then, and not at all to a client that left (S4.28)", () =>
    Effect.gen(function*() {
      const { deferral, site } = yield* deferring
      const client = yield* site.send("/later/1")
      const taken = yield* deferral
      yield* Effect.forkScoped(taken.complete(text("slowly"), { after: "500 millis" }))
      yield* TestClock.adjust("499 millis")
      assert.isFalse(yield* client.isAnswered)
      yield* TestClock.adjust("1 millis")
      assert.strictEqual(yield* (yield* client.answer).text, "slowly")

      const other = yield* deferring
      const leaving = yield* other.site.send("/later/2")
      const late = yield* Effect.forkScoped((yield* other.deferral).complete(text("slowly"), { after: "500 millis" }))
      yield* leaving.leave
      yield* TestClock.adjust("500 millis")
      assert.isFalse(yield* Fiber.join(late))
      assert.strictEqual(leaving.sent(), 0)
    }))

  it.effect("tells of a client that left: as a value, an Effect and a signal (S4.11)", () =>
    Effect.gen(function*() {
      const { deferral, site } = yield* deferring
      const client = yield* site.send("/later/1")
      const taken = yield* deferral
      const { signal } = taken
      assert.isTrue(yield* taken.isConnected)
      assert.isFalse(signal.aborted)
      yield* client.leave
      assert.isFalse(yield* taken.isConnected)
      assert.isTrue(signal.aborted)
      yield* taken.disconnected
      assert.isFalse(yield* taken.complete(text("too late")))
      assert.strictEqual(client.sent(), 0)
      assert.deepInclude(yield* site.registry.find(taken.id), { state: "disconnected", connected: false, status: null })
      assert.strictEqual(yield* site.registry.active, 0)
    }))

  it.effect("whose holder's scope closes is answered with 500, not left waiting (S4.12)", () =>
    Effect.gen(function*() {
      const { deferral, site } = yield* deferring
      const client = yield* site.send("/later/1")
      const taken = yield* deferral
      yield* Effect.scoped(Deferral.hold(taken))
      assert.strictEqual((yield* client.answer).status, 500)
    }))

  it.effect("that nobody holds any more is answered with 500 when that is noticed (S4.12)", () =>
    Effect.gen(function*() {
      const forgetting = HttpRouter.add("GET", "/forgotten", Effect.map(Deferral.take, ({ later }) => later))
      const site = yield* open(forgetting)
      const client = yield* site.send("/forgotten")
      while (!(yield* client.isAnswered)) {
        yield* Effect.promise(async () => {
          collect()
          await new Promise((resolve) => setImmediate(resolve))
        })
      }
      assert.strictEqual((yield* client.answer).status, 500)
    }))

  it.effect("comes from what a program gives; its failure is a problem, its interruption too (S4.30)", () =>
    Effect.gen(function*() {
      const outcome = Effect.fnUntraced(
        function*(program: Effect.Effect<HttpServerResponse.HttpServerResponse, string>) {
          const { deferral, site } = yield* deferring
          const client = yield* site.send("/later/1")
          yield* Effect.ignore(Effect.exit(Deferral.completeWith(yield* deferral)(program)))
          return (yield* client.answer).status
        }
      )
      assert.strictEqual(yield* outcome(Effect.succeed(text("fine"))), 200)
      assert.strictEqual(yield* outcome(Effect.fail("no")), 500)
      assert.strictEqual(yield* outcome(Effect.die("broken")), 500)
      assert.strictEqual(yield* outcome(Effect.interrupt), 503)
    }))

  it.effect("needs a tracked request: without one it does not compile, and forced it is a problem (S4.38)", () =>
    Effect.gen(function*() {
      expectTypeOf<Effect.Services<typeof Deferral.take>>().toEqualTypeOf<ActiveRequest>()
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what types forbid
      const untyped = Deferral.take as Effect.Effect<Deferral.Deferral>
      const app = yield* HttpRouter.toHttpEffect(
        Layer.mergeAll(
          HttpRouter.add("GET", "/untracked", Effect.map(untyped, ({ later }) => later)),
          HttpRouter.add("GET", "/next", text("served"))
        )
      )
      const broken = yield* ask(app, "/untracked")
      assert.strictEqual(broken.status, 500)
      assert.include(yield* broken.text, "urn:ostinato:not-tracked")
      assert.strictEqual(yield* (yield* ask(app, "/next")).text, "served")
    }))
})
