import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/testing/TestClock"
import * as Tracer from "effect/Tracer"
import { ActiveRequest } from "ostinato/http/ActiveRequest"
import * as AsyncMiddleware from "ostinato/http/AsyncMiddleware"
import * as Deferral from "ostinato/http/Deferral"
import { expectTypeOf } from "vitest"
import { open } from "./Site.ts"

class User extends Context.Service<User, { readonly name: string }>()("ostinato/test/http/AsyncMiddleware.test/User") {}
class Rights extends Context.Service<Rights, { readonly of: string; readonly may: string }>()(
  "ostinato/test/http/AsyncMiddleware.test/Rights"
) {}

const { empty, text } = HttpServerResponse

/** Who the request says it is from; found out in a while. */
const Authenticated = AsyncMiddleware.make("authenticated", {
  provides: User,
  before: Effect.gen(function*() {
    const { headers } = yield* HttpServerRequest.HttpServerRequest
    const name = headers["x-user"]
    if (name === undefined) return empty({ status: 401 })
    yield* Effect.sleep("100 millis")
    return name === "mallory" ? text("not you", { status: 403 }) : { name }
  })
})

const Authorised = AsyncMiddleware.make("authorised", {
  provides: Rights,
  before: Effect.map(User, ({ name }) => ({ of: name, may: name === "ada" ? "write" : "read" }))
})

const logged = (lines: Array<string>, name: string, priority?: number) =>
  AsyncMiddleware.fromFunction(
    name,
    (answer) =>
      Effect.ensuring(
        Effect.andThen(Effect.sync(() => lines.push(`${name} in`)), answer),
        Effect.sync(() => lines.push(`${name} out`))
      ),
    priority === undefined ? {} : { priority }
  )

/** A handler of whom something is asked that its middleware does not give. */
const halfProvided = () => Authenticated.apply(Effect.as(Rights, text("done")))

const as = (name: string): RequestInit => ({ headers: { "x-user": name } })

describe("middleware", () => {
  it.effect("runs in the order in which it is put around a handler, and back (S4.17 chaining order)", () =>
    Effect.gen(function*() {
      const lines: Array<string> = []
      const [a, b] = [logged(lines, "a"), logged(lines, "b")]
      const handler = Effect.sync(() => {
        lines.push("handler")
        return text("done")
      })
      const site = yield* open(HttpRouter.add("GET", "/", handler.pipe(b.apply, a.apply)))
      yield* Effect.flatMap(site.send("/"), ({ answer }) => answer)
      assert.deepStrictEqual(lines, ["a in", "b in", "handler", "b out", "a out"])
    }))

  it.effect("in a chain runs by priority, then as named (S4.17 priority)", () =>
    Effect.gen(function*() {
      const lines: Array<string> = []
      const chain = AsyncMiddleware.chain(logged(lines, "a"), logged(lines, "b", 10), logged(lines, "c"))
      assert.strictEqual(chain.name, "b > a > c")
      const site = yield* open(HttpRouter.add("GET", "/", chain.apply(Effect.succeed(text("done")))))
      yield* Effect.flatMap(site.send("/"), ({ answer }) => answer)
      assert.deepStrictEqual(lines.slice(0, 3), ["b in", "a in", "c in"])
    }))

  it.effect("continues with typed data that handler and later middleware see (S4.13, S4.17 context data)", () =>
    Effect.gen(function*() {
      const handler = Effect.gen(function*() {
        const [user, rights] = [yield* User, yield* Rights]
        return text(`${user.name} may ${rights.may} as ${rights.of}`)
      })
      const site = yield* open(HttpRouter.add("GET", "/", handler.pipe(Authorised.apply, Authenticated.apply)))
      const client = yield* site.send("/", as("ada"))
      assert.isFalse(yield* client.isAnswered)
      yield* TestClock.adjust("100 millis")
      assert.strictEqual(yield* (yield* client.answer).text, "ada may write as ada")
      type Left = Effect.Services<ReturnType<typeof halfProvided>>
      expectTypeOf<Rights extends Left ? "still needed" : "provided">().toEqualTypeOf<"still needed">()
    }))

  it.effect("stops the chain with its own response, at once or later: nothing behind it runs (S4.14)", () =>
    Effect.gen(function*() {
      const lines: Array<string> = []
      const handler = Effect.as(User, text("done")).pipe(logged(lines, "later").apply, Authenticated.apply)
      const site = yield* open(HttpRouter.add("GET", "/", handler))
      const [nobody, mallory] = yield* Effect.all([site.send("/"), site.send("/", as("mallory"))])
      assert.strictEqual((yield* nobody.answer).status, 401)
      yield* TestClock.adjust("100 millis")
      const refused = yield* mallory.answer
      assert.deepStrictEqual([refused.status, yield* refused.text], [403, "not you"])
      assert.deepStrictEqual(lines, [])
    }))

  it.effect("is named in its span, whether object or function (S4.15)", () => {
    const names: Array<string> = []
    const tracer = Tracer.make({
      span: (options) => {
        names.push(options.name)
        return new Tracer.NativeSpan(options)
      }
    })
    return Effect.gen(function*() {
      const handler = Effect.as(User, text("done")).pipe(logged([], "function").apply, Authenticated.apply)
      const site = yield* open(HttpRouter.add("GET", "/", handler))
      const client = yield* site.send("/", as("ada"))
      yield* TestClock.adjust("100 millis")
      yield* client.answer
      const own = names.filter((name) => name.startsWith("http.middleware"))
      assert.deepStrictEqual(own, ["http.middleware authenticated", "http.middleware function"])
    }).pipe(Effect.withTracer(tracer))
  })

  it.effect("skips the rest when one fails, and a recovery further out answers (S4.16, S4.17 error recovery)", () =>
    Effect.gen(function*() {
      const lines: Array<string> = []
      const failing = AsyncMiddleware.make("failing", { before: Effect.fail("the directory is down") })
      const recovering = AsyncMiddleware.make("recovering", {
        recover: (error: string) => Effect.succeed(text(error, { headers: { "x-recovered": "true" } }))
      })
      const failed = Effect.succeed(text("done")).pipe(logged(lines, "behind").apply, failing.apply)
      const whole: Effect.Effect<HttpServerResponse.HttpServerResponse, never, HttpServerRequest.HttpServerRequest> =
        failed.pipe(recovering.apply)
      const site = yield* open(Layer.mergeAll(
        HttpRouter.add("GET", "/recovered", whole),
        HttpRouter.add("GET", "/failed", failed)
      ))
      const answer = yield* Effect.flatMap(site.send("/recovered"), ({ answer }) => answer)
      assert.deepStrictEqual([answer.status, answer.headers["x-recovered"]], [200, "true"])
      assert.strictEqual((yield* Effect.flatMap(site.send("/failed"), ({ answer }) => answer)).status, 500)
      assert.deepStrictEqual(lines, [])
    }))

  it.effect("recovers what handlers on any level fail with, and only typed failures (S4.16, S4.30)", () =>
    Effect.gen(function*() {
      const level = (n: number) =>
        AsyncMiddleware.make(`level ${n}`, {
          recover: (error: number) => error === n ? Effect.succeed(text(`level ${n}`)) : Effect.fail(error)
        })
      const failing = Effect.flatMap(
        HttpRouter.params,
        ({ n }) => n === "defect" ? Effect.die("broken") : Effect.fail(Number(n))
      )
      const handler = failing.pipe(level(3).apply, level(2).apply, level(1).apply)
      const site = yield* open(HttpRouter.add("GET", "/:n", handler))
      const told = (path: string) =>
        Effect.gen(function*() {
          const answer = yield* (yield* site.send(path)).answer
          return answer.status === 200 ? yield* answer.text : answer.status
        })
      assert.deepStrictEqual(
        yield* Effect.forEach(["/1", "/2", "/3", "/4", "/defect"], told),
        ["level 1", "level 2", "level 3", 500, 500]
      )
    }))

  it.effect("changes what comes from behind it (S4.17)", () =>
    Effect.gen(function*() {
      const stamped = AsyncMiddleware.make("stamped", {
        after: (response) => Effect.succeed(HttpServerResponse.setHeader(response, "x-stamped", "yes"))
      })
      const site = yield* open(
        HttpRouter.add("GET", "/", text("done")).pipe(Layer.provide(AsyncMiddleware.forRouter(stamped).layer))
      )
      const answer = yield* Effect.flatMap(site.send("/"), ({ answer }) => answer)
      assert.strictEqual(answer.headers["x-stamped"], "yes")
    }))

  it.effect("provides data to the routes of a router, with the parameters of the route in sight (S4.17 route parameters)", () =>
    Effect.gen(function*() {
      const owned = AsyncMiddleware.make("owned", {
        provides: User,
        before: Effect.map(HttpRouter.params, ({ owner }) => ({ name: owner ?? "nobody" }))
      })
      const routes = HttpRouter.add("GET", "/of/:owner", Effect.map(User, ({ name }) => text(name)))
      const site = yield* open(routes.pipe(Layer.provide(AsyncMiddleware.forRouter(owned).layer)))
      const answer = yield* Effect.flatMap(site.send("/of/ada"), ({ answer }) => answer)
      assert.strictEqual(yield* answer.text, "ada")
    }))

  it.effect("defers for a while, or answers later itself (S4.17 deferral)", () =>
    Effect.gen(function*() {
      const taken: Array<Deferral.Deferral> = []
      const answering = AsyncMiddleware.make("answering", {
        before: Effect.map(Deferral.take, (one) => {
          taken.push(one)
          return one.later
        })
      })
      const site = yield* open(HttpRouter.add("GET", "/", answering.apply(Effect.succeed(text("never")))))
      const client = yield* site.send("/")
      yield* TestClock.adjust("2 seconds")
      assert.isFalse(yield* client.isAnswered)
      yield* taken[0]!.complete(text("from the middleware"))
      assert.strictEqual(yield* (yield* client.answer).text, "from the middleware")
    }))

  it.effect("that still works when its client leaves, is timed out or cancelled, stops (S4.17 disconnect, timeout, cancellation)", () =>
    Effect.gen(function*() {
      const ends: Array<string> = []
      const gate = yield* Latch.make(false)
      const slow = AsyncMiddleware.make("slow", {
        before: Effect.onInterrupt(gate.await, () => Effect.sync(() => ends.push("stopped")))
      })
      const site = yield* open(
        HttpRouter.add("GET", "/", slow.apply(Effect.succeed(text("never")))),
        { timeout: "1 second" }
      )
      const [left, cancelled, late] = yield* Effect.all([site.send("/"), site.send("/"), site.send("/")])
      yield* left.leave
      const [first] = yield* site.registry.list
      yield* site.registry.cancel(first?.id ?? "", { status: 409 })
      assert.strictEqual((yield* cancelled.answer).status, 409)
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* late.answer).status, 408)
      assert.deepStrictEqual(ends, ["stopped", "stopped", "stopped"])
    }))

  it.effect("joins operations in parallel; an early return stops its siblings (S4.17 parallel, early return)", () =>
    Effect.gen(function*() {
      const ends: Array<string> = []
      const step = (name: string, ms: number) =>
        Effect.as(Effect.sleep(ms), name).pipe(Effect.onInterrupt(() => Effect.sync(() => ends.push(name))))
      const joining = AsyncMiddleware.make("joining", {
        provides: User,
        before: Effect.map(
          Effect.all([step("a", 20), step("b", 10)], { concurrency: 2 }),
          (all) => ({ name: all.join("") })
        )
      })
      const racing = AsyncMiddleware.make("racing", {
        before: Effect.map(Effect.raceFirst(step("quick", 5), step("slow", 500)), (name) => text(name))
      })
      const site = yield* open(Layer.mergeAll(
        HttpRouter.add("GET", "/join", joining.apply(Effect.map(User, ({ name }) => text(name)))),
        HttpRouter.add("GET", "/race", racing.apply(Effect.succeed(text("never"))))
      ))
      const [join, race] = yield* Effect.all([site.send("/join"), site.send("/race")])
      yield* TestClock.adjust("20 millis")
      assert.strictEqual(yield* (yield* join.answer).text, "ab")
      assert.strictEqual(yield* (yield* race.answer).text, "quick")
      assert.deepStrictEqual(ends, ["slow"])
    }))

  it.effect("nests: one that is async within another keeps the order (S4.17 nested)", () =>
    Effect.gen(function*() {
      const lines: Array<string> = []
      const nested = (name: string, ms: number) =>
        AsyncMiddleware.make(name, {
          before: Effect.andThen(Effect.sleep(ms), Effect.sync(() => void lines.push(name)))
        })
      const handler = Effect.flatMap(ActiveRequest, ({ state }) => Effect.map(state, text))
        .pipe(nested("inner", 5).apply, nested("middle", 20).apply, nested("outer", 10).apply)
      const site = yield* open(HttpRouter.add("GET", "/", handler))
      const client = yield* site.send("/")
      yield* TestClock.adjust("35 millis")
      assert.strictEqual(yield* (yield* client.answer).text, "pending")
      assert.deepStrictEqual(lines, ["outer", "middle", "inner"])
    }))
})
