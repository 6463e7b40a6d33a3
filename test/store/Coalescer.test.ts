import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/testing/TestClock"
import * as Coalescer from "../../src/store/internal/Coalescer.ts"

const tens: Coalescer.Pause = { shortest: 10, longest: 10 }

describe("Coalescer", () => {
  it.effect("a thousand marks are one message, and the next one waits for its interval", () =>
    Effect.gen(function*() {
      const sent: Array<ReadonlyArray<string>> = []
      const coalescer = yield* Coalescer.make
      yield* Effect.forkChild(
        coalescer.run((keys) => Effect.sync(() => void sent.push(keys)), tens),
        { startImmediately: true }
      )
      for (let i = 0; i < 1000; i++) coalescer.mark(i % 2 === 0 ? "even" : "odd")
      yield* TestClock.adjust(0)
      assert.deepStrictEqual(sent, [["even", "odd"]])
      coalescer.mark("late")
      yield* TestClock.adjust(9)
      assert.strictEqual(sent.length, 1)
      yield* TestClock.adjust(1)
      assert.deepStrictEqual(sent, [["even", "odd"], ["late"]])
      yield* TestClock.adjust("1 hour")
      assert.strictEqual(sent.length, 2, "nothing is sent where nothing was marked")
    }))

  it.effect("what could not be sent is sent by the next run, with what was marked since", () =>
    Effect.gen(function*() {
      const sent: Array<ReadonlyArray<string>> = []
      const coalescer = yield* Coalescer.make
      coalescer.mark("a")
      const failed = yield* Effect.flip(
        coalescer.run(() => Effect.andThen(Effect.sync(() => coalescer.mark("b")), Effect.fail("away")), tens)
      )
      assert.strictEqual(failed, "away")
      yield* Effect.forkChild(
        coalescer.run((keys) => Effect.sync(() => void sent.push([...keys].sort())), tens),
        { startImmediately: true }
      )
      yield* TestClock.adjust(0)
      assert.deepStrictEqual(sent, [["a", "b"]])
    }))

  it.effect("what is marked while a message is under way is sent by the next one", () =>
    Effect.gen(function*() {
      const sent: Array<ReadonlyArray<string>> = []
      const coalescer = yield* Coalescer.make
      yield* Effect.forkChild(
        coalescer.run((keys) => Effect.delay(Effect.sync(() => void sent.push(keys)), "1 second"), tens),
        { startImmediately: true }
      )
      coalescer.mark("a")
      yield* TestClock.adjust("500 millis")
      coalescer.mark("a")
      yield* TestClock.adjust("2 seconds")
      assert.deepStrictEqual(sent, [["a"], ["a"]])
    }))

  it.effect("the pause grows while marks go on coming, and is short again after one without", () =>
    Effect.gen(function*() {
      const instants: Array<number> = []
      const coalescer = yield* Coalescer.make
      const now = Effect.clockWith((clock) => Effect.sync(() => clock.currentTimeMillisUnsafe()))
      yield* Effect.forkChild(
        coalescer.run(() => Effect.map(now, (at) => void instants.push(at)), { shortest: 2, longest: 10 }),
        { startImmediately: true }
      )
      const marking = (forMs: number) =>
        Effect.forEach(Array.from({ length: forMs }), () => {
          coalescer.mark("a")
          return TestClock.adjust(1)
        })
      yield* marking(25)
      assert.deepStrictEqual(instants, [0, 2, 6, 14, 24])
      yield* TestClock.adjust(75)
      const before = instants.length
      yield* marking(3)
      assert.deepStrictEqual(instants.slice(before), [100, 102], "whoever marks after a while does not wait")
    }))
})
