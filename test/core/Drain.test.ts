import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Logger from "effect/Logger"
import * as TestClock from "effect/testing/TestClock"
import { Drain } from "ostinato"

describe("Drain", () => {
  const make = Drain.make({ drain: "10 seconds", grace: "2 seconds" })

  it.effect("S0.14 S2.10 lets work in flight finish, and takes no more", () =>
    Effect.gen(function*() {
      const drain = yield* make
      const latch = yield* Latch.make()
      assert.isTrue(yield* drain.fork("work", latch.await))
      const closing = yield* Effect.forkChild(drain.close)
      yield* TestClock.adjust("9 seconds")
      assert.isFalse(yield* drain.fork("late", Effect.void))
      assert.isUndefined(closing.pollUnsafe())
      yield* latch.open
      assert.deepStrictEqual(yield* Fiber.join(closing), { completed: 1, interrupted: [], abandoned: [] })
    }))

  it.effect("S0.15 interrupts work that outlasts the drain, and waits for its finalizers", () =>
    Effect.gen(function*() {
      const drain = yield* make
      let released = false
      const finalizer = Effect.andThen(Effect.sleep("1 second"), Effect.sync(() => released = true))
      yield* drain.fork("slow", Effect.ensuring(Effect.never, finalizer))
      yield* drain.fork("quick", Effect.sleep("5 seconds"))
      const closing = yield* Effect.forkChild(drain.close)
      yield* TestClock.adjust("10 seconds")
      assert.isFalse(released)
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(yield* Fiber.join(closing), { completed: 1, interrupted: ["slow"], abandoned: [] })
      assert.isTrue(released)
    }))

  it.effect("S0.15 G14 lets go of work that cannot be interrupted, after drain and grace and no later", () =>
    Effect.gen(function*() {
      const drain = yield* make
      yield* drain.fork("stubborn", Effect.uninterruptible(Effect.sleep("1 hour")))
      const closing = yield* Effect.forkChild(drain.close)
      yield* TestClock.adjust("12 seconds")
      assert.deepStrictEqual(yield* Fiber.join(closing), { completed: 0, interrupted: [], abandoned: ["stubborn"] })
      assert.strictEqual(yield* drain.running, 1)
      assert.deepStrictEqual(yield* drain.close, { completed: 0, interrupted: [], abandoned: [] })
      yield* TestClock.adjust("1 hour")
    }))

  it.effect("waits for one piece of work at most as long as told, also where it cannot be interrupted", () =>
    Effect.gen(function*() {
      const hang = Effect.uninterruptible(Effect.sleep("1 hour"))
      const ended = yield* Effect.forkChild(Effect.uninterruptible(Drain.atMost("2 seconds")(hang)))
      yield* TestClock.adjust("2 seconds")
      assert.isFalse(yield* Fiber.join(ended))
      assert.isTrue(yield* Drain.atMost("2 seconds")(Effect.void))
      yield* TestClock.adjust("1 hour")
    }))

  it.effect("S3.6 S2.66 work that breaks is told with its name and its Cause, and the drain goes on", () => {
    const told: Array<string> = []
    const logger = Logger.make(({ cause, message }) => void told.push(`${String(message)}: ${Cause.pretty(cause)}`))
    return Effect.gen(function*() {
      const drain = yield* make
      yield* drain.fork("fragile", Effect.die(new Error("no such table")))
      yield* drain.fork("late", Effect.onInterrupt(Effect.never, () => Effect.die(new Error("no way back"))))
      const closing = yield* Effect.forkChild(drain.close)
      yield* TestClock.adjust("12 seconds")
      assert.deepStrictEqual(yield* Fiber.join(closing), { completed: 0, interrupted: ["late"], abandoned: [] })
      assert.strictEqual(told.length, 2)
      assert.match(told[0] ?? "", /^fragile broke: Error: no such table/)
      assert.match(told[1] ?? "", /^late broke: .*no way back/s)
    }).pipe(Effect.provide(Logger.layer([logger])))
  })

  it.effect("closes with its scope, and a second close finds nothing", () =>
    Effect.gen(function*() {
      let ended = false
      yield* Effect.scoped(Effect.gen(function*() {
        const drain = yield* make
        yield* drain.fork("work", Effect.sync(() => ended = true))
        yield* drain.close
        assert.deepStrictEqual(yield* drain.close, { completed: 0, interrupted: [], abandoned: [] })
      }))
      assert.isTrue(ended)
    }))
})
