import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/testing/TestClock"
import { SeededScheduler } from "ostinato/testing"

/** In which order five fibers make three steps each, beside Effect's own TestClock. */
const order = (seed: number, options?: SeededScheduler.Options) => {
  const seen: Array<string> = []
  const worker = (name: string) => Effect.repeat(Effect.sync(() => seen.push(name)), { times: 2 })
  const program = Effect.gen(function*() {
    const fiber = yield* Effect.forkChild(
      Effect.forEach(["a", "b", "c", "d", "e"], (name) => Effect.andThen(Effect.sleep("1 hour"), worker(name)), {
        concurrency: "unbounded"
      })
    )
    // small steps, because fibers may not have gone to sleep yet
    while (fiber.pollUnsafe() === undefined) yield* TestClock.adjust("10 minutes")
    yield* Fiber.join(fiber)
    return seen.join("")
  })
  return Effect.provide(program, Layer.provideMerge(TestClock.layer(), SeededScheduler.layer(seed, options)))
}

describe("SeededScheduler", () => {
  it.effect("D.6 repeats the order of a seed, and has another one for another seed", () =>
    Effect.gen(function*() {
      const orders = new Set<string>()
      for (let seed = 1; seed <= 40; seed++) {
        const once = yield* order(seed)
        assert.strictEqual(yield* order(seed), once)
        assert.sameMembers(once.split(""), "aaabbbcccdddeee".split(""))
        orders.add(once)
      }
      assert.isAbove(orders.size, 10)
    }))

  it.effect("takes the strategy and the yields that it is told, else those of the seed", () =>
    Effect.sync(() => {
      const made = Array.from({ length: 100 }, (_, seed) => SeededScheduler.make(seed))
      assert.sameMembers([...new Set(made.map(({ strategy }) => strategy))], ["uniform", "priorities"])
      assert.sameMembers([...new Set(made.map(({ yields }) => yields))], [0, 0.05, 0.15, 0.3])
      const told = SeededScheduler.make(1, { strategy: "default", yields: 0.9 })
      assert.deepStrictEqual([told.strategy, told.yields], ["default", 0.4])
    }))

  it.effect("gives every ready fiber its turn, also those far behind, and lets promises come in between", () =>
    Effect.gen(function*() {
      for (let seed = 1; seed <= 20; seed++) {
        let isDone = false
        const spin = Effect.repeat(Effect.yieldNow, { while: () => !isDone })
        const promise = Effect.promise(async () => {
          await Promise.resolve()
          isDone = true
        })
        yield* Effect.all([spin, spin, promise], { concurrency: "unbounded" }).pipe(
          Effect.provide(SeededScheduler.layer(seed, { strategy: "priorities" }))
        )
        assert.isTrue(isDone)
      }
    }))
})
