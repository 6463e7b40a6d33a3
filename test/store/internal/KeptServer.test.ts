import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import * as KeptServer from "../../../src/store/internal/KeptServer.ts"

/** A server that ends when it is told to, or does not start; notes when it was started and how many run. */
const fake = Effect.sync(() => {
  const starts: Array<number> = []
  const failing = new Set<number>()
  let running = 0
  let end: Deferred.Deferred<string> | undefined
  const launch = Effect.gen(function*() {
    starts.push(yield* Clock.currentTimeMillis)
    const pid = starts.length
    if (failing.has(pid)) return yield* Effect.fail({ message: `start ${pid} failed` })
    yield* Effect.acquireRelease(Effect.sync(() => ++running), () => Effect.sync(() => --running))
    const exited = yield* Deferred.make<string>()
    end = exited
    return { pid, exited: Deferred.await(exited) }
  })
  return {
    starts,
    failing,
    running: () => running,
    kill: Effect.suspend(() => end === undefined ? Effect.void : Deferred.succeed(end, "signal SIGKILL")),
    options: {
      name: "Postgres",
      restarts: 5,
      launch,
      ended: (how: string) => Effect.succeed({ message: how })
    }
  }
})

describe("KeptServer", () => {
  it.effect("is started again at once, then after 1, 2, 4, 8 seconds, and given up after five starts in a row", () =>
    Effect.gen(function*() {
      const server = yield* fake
      const kept = yield* KeptServer.keep(server.options)
      const lost = yield* Effect.forkChild(Effect.flip(kept.lost), { startImmediately: true })
      for (let i = 0; i < 6; i++) {
        yield* server.kill
        yield* TestClock.adjust("20 seconds")
      }
      const gaps = server.starts.slice(1).map((at, index) => (at - index * 20_000) / 1000)
      assert.deepStrictEqual(gaps, [0, 1, 2, 4, 8])
      assert.strictEqual((yield* Fiber.join(lost)).message, "signal SIGKILL, 6 times in a row")
      yield* TestClock.adjust("1 hour")
      assert.strictEqual(server.starts.length, 6)
    }))

  it.effect("has recovered when it has run for a minute: starts are counted from anew, for years", () =>
    Effect.gen(function*() {
      const server = yield* fake
      const kept = yield* KeptServer.keep(server.options)
      const lost = yield* Effect.forkChild(kept.lost)
      for (let i = 0; i < 50; i++) {
        yield* TestClock.adjust("1 minute")
        yield* server.kill
        yield* TestClock.adjust(0)
        assert.strictEqual(kept.pid(), i + 2)
      }
      assert.isUndefined(lost.pollUnsafe())
    }))

  it.effect("a start that fails counts too, and the last one says why", () =>
    Effect.gen(function*() {
      const server = yield* fake
      for (const start of [2, 3, 4, 5, 6]) server.failing.add(start)
      const kept = yield* KeptServer.keep(server.options)
      yield* server.kill
      yield* TestClock.adjust("1 minute")
      assert.strictEqual((yield* Effect.flip(kept.lost)).message, "start 6 failed")
      assert.strictEqual(server.running(), 0)
    }))

  it.effect("one process runs at a time, and none when the scope is closed, also between two starts", () =>
    Effect.gen(function*() {
      const server = yield* fake
      const scope = yield* Scope.make()
      const kept = yield* Scope.provide(KeptServer.keep(server.options), scope)
      const lost = yield* Effect.forkChild(kept.lost)
      assert.strictEqual(server.running(), 1)
      yield* server.kill
      yield* TestClock.adjust(0)
      assert.strictEqual(server.running(), 1)
      yield* server.kill
      yield* TestClock.adjust("500 millis")
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual(server.running(), 0)
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual([server.starts.length, server.running()], [2, 0])
      assert.isUndefined(lost.pollUnsafe())
    }))
})
