import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { setImmediate } from "node:timers/promises"
import { ThreadPool } from "ostinato"
import * as Deferral from "ostinato/http/Deferral"
import * as tasks from "../../core/threads/tasks.ts"
import { heldBytes } from "../../jobs/heldBytes.ts"
import { ask, dial, get, post, serve } from "./server.ts"

const text = HttpServerResponse.text

/** Waits for a state of this process: each look is a turn of the event loop. */
const until = (holds: () => boolean): Effect.Effect<void> =>
  Effect.suspend(() => holds() ? Effect.void : Effect.andThen(Effect.promise(() => setImmediate()), until(holds)))

const wire = (port: number, options?: { readonly allowHalfOpen?: boolean }) =>
  Effect.acquireRelease(
    Effect.promise(() => dial(port, options)),
    ({ socket }) => Effect.sync(() => socket.destroy())
  )

/** A handler that waits, and tells how it ended. */
const waiting = Effect.gen(function*() {
  const gate = yield* Latch.make(false)
  const lines: Array<string> = []
  const work = Effect.sync(() => lines.push("begun")).pipe(
    Effect.andThen(gate.await),
    Effect.as(text("done")),
    Effect.onExit((exit) => Effect.sync(() => lines.push(exit._tag === "Success" ? "finished" : "interrupted")))
  )
  return { gate, lines, work }
})

describe("on the wire", () => {
  it.live("a body that was read whole is no client that left, also on a connection that is kept (S4.37, S4.22)", () =>
    Effect.scoped(Effect.gen(function*() {
      const { gate, lines, work } = yield* waiting
      const slow = Effect.andThen(Effect.flatMap(HttpServerRequest.HttpServerRequest, ({ text }) => text), work)
      const { port } = yield* serve(HttpRouter.add("POST", "/slow", slow))
      const client = yield* wire(port)
      for (const n of [1, 2, 3]) {
        yield* gate.close
        client.write(post("/slow", "x".repeat(100_000)))
        yield* until(() => lines.filter((line) => line === "begun").length === n)
        yield* Effect.promise(() => setImmediate())
        assert.notInclude(lines, "interrupted")
        yield* gate.open
        yield* until(() => client.received().split("done").length === n + 1)
      }
      assert.strictEqual(client.received().match(/HTTP\/1\.1 200/g)?.length, 3)
    })))

  it.live("requests in a row without waiting are answered in their order, deferred ones too (S4.2)", () =>
    Effect.scoped(Effect.gen(function*() {
      const taken: Array<Deferral.Deferral> = []
      const { port } = yield* serve(HttpRouter.add(
        "GET",
        "/:n",
        Effect.map(Deferral.take, (one) => {
          taken.push(one)
          return one.later
        })
      ))
      const client = yield* wire(port)
      client.write(get("/1") + get("/2") + get("/3"))
      yield* until(() => taken.length === 3)
      yield* taken[2]!.complete(text("<3>"))
      yield* taken[1]!.complete(text("<2>"))
      assert.strictEqual(client.received(), "")
      yield* taken[0]!.complete(text("<1>"))
      const all = yield* Effect.promise(() => client.until("<3>"))
      assert.deepStrictEqual(all.match(/<\d>/g), ["<1>", "<2>", "<3>"])
    })))

  it.live("a client that closes interrupts the work; one that only ends its sending does not wait for an answer either (S4.11, S4.22)", () =>
    Effect.scoped(Effect.gen(function*() {
      const { lines, work } = yield* waiting
      const { port, registry } = yield* serve(HttpRouter.add("GET", "/slow", work))
      const closing = yield* wire(port)
      closing.write(get("/slow"))
      yield* until(() => lines.length === 1)
      closing.socket.destroy()
      yield* until(() => lines.length === 2)
      assert.deepStrictEqual(lines, ["begun", "interrupted"])

      const half = yield* wire(port, { allowHalfOpen: true })
      half.write(get("/slow"))
      yield* until(() => lines.length === 3)
      half.socket.end()
      yield* until(() => lines.length === 4)
      assert.strictEqual(lines[3], "interrupted")
      assert.strictEqual(yield* registry.active, 0)
    })))

  it.live("an answer is streamed as it comes, and a client that leaves stops its source (S4.32)", () =>
    Effect.scoped(Effect.gen(function*() {
      const ended = yield* Deferred.make<void>()
      const second = yield* Latch.make(false)
      const parts = Stream.make("<first>").pipe(
        Stream.concat(Stream.fromEffect(Effect.as(second.await, "<second>"))),
        Stream.concat(Stream.never),
        Stream.ensuring(Deferred.succeed(ended, undefined))
      )
      const { port, registry } = yield* serve(
        HttpRouter.add("GET", "/stream", Effect.succeed(HttpServerResponse.stream(Stream.encodeText(parts))))
      )
      const client = yield* wire(port)
      client.write(get("/stream"))
      assert.notInclude(yield* Effect.promise(() => client.until("<first>")), "<second>")
      yield* second.open
      yield* Effect.promise(() => client.until("<second>"))
      client.socket.destroy()
      yield* Deferred.await(ended)
      yield* until(() => Effect.runSync(registry.active) === 0)
    })))

  it.live("a client that does not read holds up its own stream and nobody else (S4.32)", () =>
    Effect.scoped(Effect.gen(function*() {
      let made = 0
      const chunk = "x".repeat(64 * 1024)
      const endless = Stream.forever(Stream.sync(() => {
        made += 1
        return chunk
      }))
      const { port } = yield* serve(Layer.mergeAll(
        HttpRouter.add("GET", "/endless", Effect.succeed(HttpServerResponse.stream(Stream.encodeText(endless)))),
        HttpRouter.add("GET", "/quick", text("quick"))
      ))
      const deaf = yield* wire(port)
      deaf.socket.pause()
      deaf.write(get("/endless"))
      let before = -1
      yield* until(() => {
        const still = made > 0 && made === before
        before = made
        return still
      })
      // what the sockets of both sides hold, and no more
      assert.isBelow(made, 400)
      const other = yield* wire(port)
      other.write(get("/quick"))
      yield* Effect.promise(() => other.until("quick"))
    })))

  it.live("ten thousand clients that leave, leave nothing behind (S4.22)", () =>
    Effect.scoped(Effect.gen(function*() {
      const lines = { begun: 0, interrupted: 0 }
      const work = Effect.sync(() => void lines.begun++).pipe(
        Effect.andThen(Effect.never),
        Effect.onInterrupt(() => Effect.sync(() => void lines.interrupted++))
      )
      const { port, registry } = yield* serve(HttpRouter.add("GET", "/slow", work))
      const leave = Effect.gen(function*() {
        const client = yield* Effect.promise(() => dial(port))
        client.write(get("/slow"))
        const begun = lines.begun
        yield* until(() => lines.begun > begun)
        client.socket.destroy()
      })
      const round = (n: number) => Effect.replicateEffect(leave, n, { concurrency: 20, discard: true })
      const over = until(() => lines.interrupted === lines.begun && Effect.runSync(registry.active) === 0)
      yield* Effect.andThen(round(2000), over)
      const before = yield* heldBytes
      yield* Effect.andThen(round(8000), over)
      assert.isAtLeast(lines.begun, 10_000)
      const grown = (yield* heldBytes) - before
      // a request that stays behind holds some kilobytes
      assert.isBelow(grown, 8000 * 100)
    })), 120_000)

  it.live("is completed from a timer, a thread, another request (S4.6)", () =>
    Effect.scoped(Effect.gen(function*() {
      const pool = yield* ThreadPool.make({ capacity: 1 })
      const line: Array<Deferral.Deferral> = []
      const scope = yield* Effect.scope
      const deferred = (work: (deferral: Deferral.Deferral) => Effect.Effect<unknown>) =>
        Effect.gen(function*() {
          const deferral = yield* Deferral.take
          yield* Effect.forkIn(work(deferral), scope)
          return deferral.later
        })
      const { url } = yield* serve(Layer.mergeAll(
        HttpRouter.add("GET", "/timer", deferred((one) => one.complete(text("timer"), { after: 1 }))),
        HttpRouter.add(
          "GET",
          "/thread",
          deferred((one) =>
            Deferral.completeWith(one)(Effect.map(pool.run(tasks.Double, { n: 21 }), (n) => text(`${n}`)))
          )
        ),
        HttpRouter.add("GET", "/waiting", deferred((one) => Effect.sync(() => line.push(one)))),
        HttpRouter.add(
          "POST",
          "/next",
          Effect.suspend(() =>
            Effect.map(line.shift()!.complete(text("another request")), (isMine) => text(`${isMine}`))
          )
        )
      ))
      const told = (path: string, method = "GET") => ask(url + path, { method })
      assert.strictEqual(yield* told("/timer"), "timer")
      assert.strictEqual(yield* told("/thread"), "42")
      const next = Effect.andThen(until(() => line.length === 1), told("/next", "POST"))
      assert.deepStrictEqual(yield* Effect.all([told("/waiting"), next], { concurrency: 2 }), [
        "another request",
        "true"
      ])
    })))
})
