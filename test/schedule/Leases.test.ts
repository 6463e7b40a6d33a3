import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/testing/TestClock"
import { MemoryRunLog } from "ostinato"
import { MemoryScheduleStore, ScheduleStore, Timetable } from "ostinato/schedule"
import { make, pass, quiet, recorded, settle, start, stop, stopNow } from "./OneSchedule.ts"

type Store = ScheduleStore.ScheduleStore["Service"]

/** A store that answers differently in some respect. */
const changed = (change: (store: Store) => Partial<Store>) =>
  Layer.merge(
    Layer.effect(
      ScheduleStore.ScheduleStore,
      Effect.map(
        ScheduleStore.ScheduleStore,
        (store) => ScheduleStore.ScheduleStore.of({ ...store, ...change(store) })
      )
    ).pipe(Layer.provide(MemoryScheduleStore.layer)),
    MemoryRunLog.layer()
  )

const away = new ScheduleStore.ScheduleStoreUnavailable({ operation: "renew leases", detail: "away" })

describe("leases of ticks", () => {
  /** When the work of the tick at 10 s ended, in seconds. */
  const endOf = (change: (store: Store) => Partial<Store>) => {
    const ends: Array<number> = []
    const noted = Effect.map(Clock.currentTimeMillis, (now) => void ends.push(now / 1000))
    return Effect.gen(function*() {
      yield* start
      yield* settle
      yield* pass(55)
      const [run] = yield* recorded
      const before = [...ends]
      yield* stopNow
      return { ends: before, status: run?.status }
    }).pipe(
      Effect.provide(
        make({ every: Timetable.every("1 day"), runOnStart: true, body: Effect.onInterrupt(Effect.never, () => noted) })
      ),
      Effect.provide([changed(change), quiet])
    )
  }

  it.effect("S1.21 work whose lease cannot be kept is interrupted before another node may take it", () =>
    Effect.gen(function*() {
      const { ends, status } = yield* endOf(() => ({ renew: () => Effect.fail(away) }))
      assert.deepStrictEqual([ends, status], [[22], "interrupted"])
    }))

  it.effect("S1.21 nor does a store that never answers keep work alive beyond its lease", () =>
    Effect.gen(function*() {
      const { ends } = yield* endOf(() => ({
        renew: () => Effect.andThen(Effect.uninterruptible(Effect.sleep("9 seconds")), Effect.fail(away))
      }))
      assert.deepStrictEqual(ends, [22])
    }))

  it.effect("S1.21 a lease begins anew with the work, however long the tick was held before", () =>
    Effect.gen(function*() {
      const { ends: [end] } = yield* endOf((store) => ({
        begin: (claim) =>
          Effect.flatMap(Clock.currentTimeMillis, (now) => now < 15_000 ? Effect.fail(away) : store.begin(claim)),
        renew: () => Effect.fail(away)
      }))
      assert.isAtLeast(end ?? 0, 37)
      assert.isAtMost(end ?? Infinity, 40)
    }))

  it.effect("a process that slept past its lease asks whether it still has it before it gives up its work", () =>
    Effect.gen(function*() {
      const clock = yield* Clock.Clock
      let leap = 0n
      const slept = Clock.Clock.of({
        // oxlint-disable-next-line typescript/no-misused-spread -- the clock of a test is a literal, whose methods are its own
        ...clock,
        monotonicTimeNanosUnsafe: () => clock.monotonicTimeNanosUnsafe() + leap,
        monotonicTimeNanos: Effect.map(clock.monotonicTimeNanos, (now) => now + leap)
      })
      // between the renewals at 40 s and 45 s, just before the look at 42 s
      const sleeping = Effect.delay(Effect.sync(() => void (leap = 60_000_000_000n)), "41 seconds")
      yield* Effect.forkChild(sleeping)
      const { ends } = yield* Effect.provideService(endOf(() => ({})), Clock.Clock, slept)
      assert.deepStrictEqual(ends, [])
    }))

  it.effect("a renewal that fails now and then does no harm", () =>
    Effect.gen(function*() {
      let renewals = 0
      const { ends } = yield* endOf((store) => ({
        renew: (claims) => ++renewals % 3 === 0 ? store.renew(claims) : Effect.fail(away)
      }))
      assert.deepStrictEqual(ends, [])
    }))

  it.effect("what is in work is renewed before each decision, so that a process that slept does not give up its own", () => {
    const calls: Array<string> = []
    return Effect.gen(function*() {
      yield* start
      yield* settle
      yield* pass(10)
      const renewals = calls.filter((call) => call === "renew").length
      yield* stopNow
      // at 3, 6 and 9 s, and by the heartbeat
      assert.deepStrictEqual(calls.slice(0, 5), ["advance", "renew", "advance", "renew", "renew"])
      assert.isAtLeast(renewals, 4)
    }).pipe(
      Effect.provide(make({ every: Timetable.every("3 seconds"), runOnStart: true, body: Effect.never })),
      Effect.provide([
        changed((store) => ({
          renew: (claims) => Effect.suspend(() => (calls.push("renew"), store.renew(claims))),
          advance: (name, plan) => Effect.suspend(() => (calls.push("advance"), store.advance(name, plan)))
        })),
        quiet
      ])
    )
  })

  it.effect("work of a tick that was lost to another node is interrupted at the next renewal", () =>
    Effect.gen(function*() {
      const { ends } = yield* endOf(() => ({ renew: (claims) => Effect.succeed({ lost: claims, stop: [] }) }))
      assert.deepStrictEqual(ends, [5])
    }))

  it.effect("work does not begin when the claim was lost before, and a stop then leaves nothing behind", () => {
    const starts: Array<number> = []
    return Effect.gen(function*() {
      yield* start
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(starts, [])
      assert.deepStrictEqual((yield* stop).timedOut, [])
    }).pipe(
      Effect.provide(make({ every: Timetable.every("10 seconds") }, starts)),
      Effect.provide([changed(() => ({ begin: () => Effect.succeed(false) })), quiet])
    )
  })

  it.effect("S0.7 the extra run of a start is made once, also where the loop has to begin anew", () => {
    const starts: Array<number> = []
    return Effect.gen(function*() {
      const store = yield* ScheduleStore.ScheduleStore
      yield* start
      yield* pass(5)
      // the loop finds its schedule gone at 10 s, and makes it again
      yield* store.remove("test.schedule")
      yield* pass(18)
      assert.deepStrictEqual(starts, [0, 20])
      yield* stopNow
    }).pipe(
      Effect.provide(make({ every: Timetable.every("10 seconds"), runOnStart: true }, starts)),
      Effect.provide([changed(() => ({})), quiet])
    )
  })

  it.effect("S1.21 a tick that was replaced before its work could begin gives its turn to the newer one", () => {
    const starts: Array<number> = []
    return Effect.gen(function*() {
      const store = yield* ScheduleStore.ScheduleStore
      yield* start
      yield* pass(25)
      assert.deepStrictEqual(starts, [20])
      const ticks = yield* store.ticks("test.schedule", 10)
      assert.deepStrictEqual(
        ticks.map(({ detail, outcome }) => [outcome, detail]),
        [[null, null], ["skipped", "replaced by a newer tick"]]
      )
      yield* stopNow
    }).pipe(
      Effect.provide(make({ every: Timetable.every("10 seconds"), overlap: "replace", body: Effect.never }, starts)),
      Effect.provide([
        changed((store) => ({
          begin: (claim) => claim.tick.epochMilliseconds === 10_000 ? Effect.never : store.begin(claim)
        })),
        quiet
      ])
    )
  })

  it.effect("S1.23 work that ended while the store was away for a minute is recorded as it ended", () =>
    Effect.gen(function*() {
      const store = yield* ScheduleStore.ScheduleStore
      yield* start
      yield* pass(70)
      assert.deepStrictEqual((yield* store.ticks("test.schedule", 10)).map(({ outcome }) => outcome), ["completed"])
      yield* stopNow
    }).pipe(
      Effect.provide(make({ every: Timetable.every("1 day"), runOnStart: true })),
      Effect.provide([
        changed((store) => ({
          finish: (claim, outcome, detail) =>
            Effect.flatMap(
              Clock.currentTimeMillis,
              (now) => now < 60_000 ? Effect.fail(away) : store.finish(claim, outcome, detail)
            )
        })),
        quiet
      ])
    ))

  it.effect("a stop before work could begin lets the tick wait for the next start", () => {
    const starts: Array<number> = []
    let isAway = true
    return Effect.gen(function*() {
      const store = yield* ScheduleStore.ScheduleStore
      yield* start
      yield* TestClock.adjust("12 seconds")
      yield* stopNow
      assert.deepStrictEqual((yield* store.list).map(({ open, waiting }) => [open, waiting]), [[0, 1]])
      isAway = false
      yield* start
      yield* pass(2)
      assert.strictEqual(starts.length, 1)
      // the extra run of the second start finds it in its way
      const outcomes = (yield* store.ticks("test.schedule", 10)).map(({ outcome }) => outcome)
      assert.deepStrictEqual(outcomes, ["skipped", "completed"])
    }).pipe(
      Effect.provide(make({ every: Timetable.every("10 days"), runOnStart: true }, starts)),
      Effect.provide([
        changed((store) => ({ begin: (claim) => isAway ? Effect.never : store.begin(claim) })),
        quiet
      ])
    )
  })
})
