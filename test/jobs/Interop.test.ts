/** The decisions of our stores for Effect's modules are those of Effect's own, whatever is asked and when. */
import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as CircuitBreaker from "effect/persistence/CircuitBreaker"
import * as RateLimiter from "effect/persistence/RateLimiter"
import * as Random from "effect/Random"
import * as TestClock from "effect/testing/TestClock"
import * as adaptiveRate from "../../src/jobs/internal/interop/adaptiveRate.ts"
import * as circuit from "../../src/jobs/internal/interop/circuit.ts"
import type { Decision } from "../../src/jobs/internal/interop/keyedState.ts"
import * as rate from "../../src/jobs/internal/interop/rate.ts"

/** One key in memory. */
const one = <S>() => {
  let held: { readonly state: S; readonly expiresAt: number } | undefined
  return <A>(decide: (state: S | undefined, now: number) => Decision<S, A>) =>
    Effect.map(Clock.currentTimeMillis, (now) => {
      const { answer, next } = decide(held !== undefined && held.expiresAt > now ? held.state : undefined, now)
      held = next ?? held
      return answer
    })
}
const pick = <A>(values: ReadonlyArray<A>) =>
  Effect.map(Random.nextIntBetween(0, values.length), (n) => values[n % values.length]!)
const pass = Effect.flatMap(pick([0, 1, 7, 50, 130, 1000, 70_000]), (ms) => TestClock.adjust(ms))

describe("Interop", () => {
  for (const seed of [1, 2, 3, 4, 5]) {
    it.effect(`windows and buckets agree with Effect's, seed ${seed}`, () =>
      Effect.gen(function*() {
        const theirs = yield* RateLimiter.RateLimiterStore
        const [window, bucket] = [one<rate.Window>(), one<rate.Bucket>()]
        for (let step = 0; step < 200; step++) {
          yield* pass
          const tokens = yield* pick([1, 1, 2, 5])
          const limit = 5
          const allowOverflow = yield* pick([true, false])
          const refillRate = Duration.millis(100)
          assert.deepStrictEqual(
            yield* window((state, now) => rate.fixedWindow(state, now, { limit, tokens, refillMs: 100 })),
            [...yield* theirs.fixedWindow({ key: "k", tokens, limit, refillRate })]
          )
          assert.deepStrictEqual(
            yield* bucket((state, now) =>
              rate.tokenBucket(state, now, { limit, tokens, allowOverflow, refillMs: 100 })
            ),
            [...yield* theirs.tokenBucket({ key: "k", tokens, limit, refillRate, allowOverflow })]
          )
        }
      }).pipe(Effect.provide(RateLimiter.layerStoreMemory), Random.withSeed(seed)))

    it.effect(`learnt rates agree with Effect's, seed ${seed}`, () =>
      Effect.gen(function*() {
        const theirs = yield* RateLimiter.RateLimiterStore
        const ours = one<adaptiveRate.Adaptive>()
        for (let step = 0; step < 300; step++) {
          yield* pass
          const tokens = yield* pick([1, 2, 3])
          const consumed = yield* ours((state, now) => adaptiveRate.consume(state, now, { tokens, windowMs: 500 }))
          const { delay, epoch, phase } = yield* theirs.adaptiveConsume({
            key: "k",
            tokens,
            fallbackLimit: 10,
            fallbackWindow: Duration.millis(500)
          })
          assert.deepStrictEqual([consumed.epoch, consumed.phase], [epoch, phase])
          // a Duration is cut to nanoseconds
          assert.closeTo(consumed.delayMs, Duration.toMillis(delay), 0.001)
          if ((yield* pick([0, 0, 1])) === 0) continue
          const retryAfterMs = yield* pick([0, 200, 5000])
          const told = yield* pick([epoch, epoch, epoch + 1])
          yield* ours((state, now) => adaptiveRate.refused(state, now, { epoch: told, tokens, retryAfterMs }))
          yield* theirs.adaptiveFeedback({
            key: "k",
            epoch: told,
            tokens,
            status: 429,
            retryAfter: Duration.millis(retryAfterMs)
          })
        }
      }).pipe(Effect.provide(RateLimiter.layerStoreMemory), Random.withSeed(seed)))

    it.effect(`circuits agree with Effect's, seed ${seed}`, () =>
      Effect.gen(function*() {
        const theirs = yield* CircuitBreaker.CircuitBreakerStore
        const ours = one<circuit.Circuit>()
        const timing = { idleMs: 60_000, leaseMs: 10_000_000 }
        const policies = [
          CircuitBreaker.consecutive(2),
          { _tag: "Rate", threshold: 0.5, minimumCalls: 3, size: 4 }
        ] as const
        const calls: Array<{ readonly mine: number; readonly theirs: number }> = []
        for (let step = 0; step < 300; step++) {
          yield* pass
          if ((yield* pick([0, 1])) === 0) {
            const mine = yield* ours((state, now) => circuit.admit(state, now, timing))
            const answer = yield* Effect.result(Effect.scoped(theirs.admit("k")))
            if (answer._tag === "Success") {
              assert.strictEqual(mine.kind, "admitted")
              if (mine.kind !== "admitted") continue
              const { consecutiveOpenings, generation, probe, transition } = answer.success
              assert.deepStrictEqual([mine.isProbe, mine.openings, mine.moved], [
                probe,
                consecutiveOpenings,
                transition !== undefined
              ])
              calls.push({ mine: mine.generation, theirs: generation })
            } else {
              const reason = answer.failure.reason
              assert.deepStrictEqual(
                mine,
                reason._tag === "CircuitOpen"
                  ? { kind: "open", forMs: Duration.toMillis(reason.retryAfter) }
                  : { kind: "probing" }
              )
            }
          } else if (calls.length > 0) {
            const place = yield* pick(calls.map((_, n) => n))
            const [call] = calls.splice(place, 1)
            const outcome = yield* pick(["Success", "Failure", "Failure", "Ignored"] as const)
            const policy = policies[seed % 2]!
            const openMs = yield* pick([100, 2000])
            const moved = yield* ours((state, now) =>
              circuit.record(state, now, { generation: call!.mine, outcome, policy, openMs }, timing)
            )
            const transition = yield* theirs.record({
              key: "k",
              generation: call!.theirs,
              outcome,
              tripPolicy: policy,
              openFor: Duration.millis(openMs)
            })
            assert.strictEqual(moved?.to, transition?.to.toLowerCase())
          }
          const known = yield* theirs.state("k")
          const shown = yield* ours((state) => ({ answer: state?.state ?? "closed", next: undefined }))
          assert.strictEqual(shown.replace(" ", ""), known._tag.toLowerCase())
        }
      }).pipe(Effect.provide(CircuitBreaker.layerStoreMemory({ idleTimeToLive: "1 minute" })), Random.withSeed(seed)))
  }
})
