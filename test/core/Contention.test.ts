import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Ref from "effect/Ref"
import * as TxRef from "effect/TxRef"

const tenThousand = <A>(increment: Effect.Effect<A>) =>
  Effect.forEach(Array.from({ length: 10_000 }), () => increment, { concurrency: 100, discard: true })

describe("state that many fibers change", () => {
  it.effect("S3.42 is exact without a lock where it changes in one step, and loses updates where it is held over an await", () =>
    Effect.gen(function*() {
      const ref = yield* Ref.make(0)
      yield* tenThousand(Effect.andThen(Effect.yieldNow, Ref.update(ref, (n) => n + 1)))
      assert.strictEqual(yield* Ref.get(ref), 10_000)

      const naive = yield* Ref.make(0)
      yield* tenThousand(
        Effect.flatMap(Ref.get(naive), (n) => Effect.andThen(Effect.yieldNow, Ref.set(naive, n + 1)))
      )
      assert.isBelow(yield* Ref.get(naive), 10_000)
    }))

  it.effect("S3.42 two references change together in one transaction, with an await before it", () =>
    Effect.gen(function*() {
      const from = yield* TxRef.make(1000)
      const to = yield* TxRef.make(0)
      const move = Effect.tx(Effect.andThen(TxRef.update(from, (n) => n - 1), TxRef.update(to, (n) => n + 1)))
      yield* Effect.forEach(Array.from({ length: 1000 }), () => Effect.andThen(Effect.yieldNow, move), {
        concurrency: 50,
        discard: true
      })
      assert.deepStrictEqual([yield* TxRef.get(from), yield* TxRef.get(to)], [0, 1000])
    }))
})
