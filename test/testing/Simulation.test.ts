import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Random from "effect/Random"
import * as Ref from "effect/Ref"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/testing/TestClock"
import { Simulation } from "ostinato/testing"

class Drawn extends Schema.TaggedError<Drawn>()("Drawn", { draw: Schema.Int }) {
  override get message() {
    return `drew ${this.draw}`
  }
}

/** Adds up by reading, then writing: two at once may count one. */
const racy = Effect.gen(function*() {
  const count = yield* Ref.make(0)
  const add = Effect.flatMap(Ref.get(count), (n) => Ref.set(count, n + 1))
  yield* Effect.all([add, add], { concurrency: "unbounded" })
  return (yield* Ref.get(count)) === 2
})

describe("Simulation", () => {
  it.effect("D.6 finds an update that is lost in some orders only, which the default scheduler never shows", () =>
    Effect.gen(function*() {
      const seeded = yield* Simulation.run(racy, { seeds: 100 })
      const byDefault = yield* Simulation.run(racy, { seeds: 100, strategy: "default" })
      assert.isAtLeast(seeded.failed.length, 5)
      assert.isAtLeast(seeded.orders, 20)
      assert.strictEqual(byDefault.failed.length, 0)
    }))

  it.effect("D.6 repeats every seed exactly: order, random numbers, time, trace", () => {
    const program = Effect.gen(function*() {
      const worker = (name: string) =>
        Effect.gen(function*() {
          yield* Effect.sleep(yield* Random.nextIntBetween(1, 1000))
          yield* Simulation.note(`${name} at ${yield* Clock.currentTimeMillis}`)
        }).pipe(Effect.repeat({ times: 5 }))
      yield* Effect.forEach(["a", "b", "c", "d"], worker, { concurrency: "unbounded" })
    })
    return Effect.gen(function*() {
      const traces = new Set<string>()
      for (let seed = 1; seed <= 100; seed++) {
        const once = yield* Simulation.replay(program, seed)
        assert.deepStrictEqual(yield* Simulation.replay(program, seed), once)
        traces.add(once.trace.join("\n"))
      }
      assert.strictEqual(traces.size, 100)
    })
  })

  it.effect("D.6 S3.45 lives through thirty days of every minute without waiting", () =>
    Effect.gen(function*() {
      let ticks = 0
      const program = Effect.gen(function*() {
        yield* Effect.forkChild(Effect.repeat(Effect.sync(() => ticks++), Schedule.spaced("1 minute")))
        yield* TestClock.adjust("30 days")
      })
      const { exit, simulatedMs } = yield* Simulation.replay(program, 1)
      assert.isTrue(Exit.isSuccess(exit))
      assert.deepStrictEqual([ticks, simulatedMs], [30 * 24 * 60 + 1, 30 * 86_400_000])
    }))

  it.effect("moves the clock by setTime, adjust and sleep, and wakes whoever slept until then first", () =>
    Effect.gen(function*() {
      const seen: Array<string> = []
      const program = Effect.gen(function*() {
        yield* Effect.forkChild(Effect.andThen(Effect.sleep("1 hour"), Effect.sync(() => seen.push("sleeper"))))
        yield* TestClock.adjust("1 hour")
        seen.push("adjust")
        yield* TestClock.setTime(Date.UTC(2026, 2, 1, 12))
        seen.push(DateTime.formatIso(yield* DateTime.now))
      })
      for (let seed = 1; seed <= 20; seed++) yield* Simulation.replay(program, seed, { start: "2026-03-01T00:00:00Z" })
      assert.deepStrictEqual(seen.slice(0, 3), ["sleeper", "adjust", "2026-03-01T12:00:00.000Z"])
      assert.strictEqual(seen.filter((one, at) => one === seen[at % 3]).length, 60)
    }))

  it.effect("says why a seed was stopped: an invariant, an answer, a wait for ever, its time, its turns", () =>
    Effect.gen(function*() {
      let level = 0
      const reasons: Array<string> = []
      const programs: ReadonlyArray<Effect.Effect<unknown, never, Simulation.Simulation>> = [
        Effect.andThen(
          Simulation.always("level below 2", () => level < 2),
          Effect.andThen(Effect.sync(() => level = 2), Effect.sleep("1 second"))
        ),
        Effect.succeed(false),
        Effect.flatMap(Deferred.make<void>(), Deferred.await),
        Effect.sleep("31 days"),
        Effect.forever(Effect.yieldNow)
      ]
      for (const program of programs) {
        const { exit } = yield* Simulation.replay(program, 1, { within: "30 days", turns: 5000 })
        const stopped = yield* Effect.flip(exit)
        reasons.push(`${stopped.reason}: ${stopped.message}`)
      }
      assert.deepStrictEqual(reasons, [
        "invariant: does not hold: level below 2",
        "answer: the property does not hold",
        "stuck: nothing is left to do, and the program waits for ever",
        "time: the program has not ended within its time",
        "turns: the program has not ended after 5000 turns"
      ])
    }))

  it.effect("closes the scope of the program within the seed, and waits for promises that are kept", () =>
    Effect.gen(function*() {
      const seen: Array<string> = []
      const program = Effect.gen(function*() {
        yield* Effect.addFinalizer(() => Effect.andThen(Effect.sleep("1 hour"), Effect.sync(() => seen.push("closed"))))
        const fiber = yield* Effect.forkChild(Effect.promise(() => Promise.resolve("kept").then((value) => value)))
        seen.push(yield* Fiber.join(fiber))
      })
      const { simulatedMs } = yield* Simulation.replay(program, 3)
      assert.deepStrictEqual([seen, simulatedMs], [["kept", "closed"], 3_600_000])
    }))

  it.effect("D.6 prints the seed, the cause, what happened last and the command that runs the seed again", () =>
    Effect.gen(function*() {
      const program = Effect.gen(function*() {
        yield* Simulation.note("begin")
        const draw = yield* Random.nextIntBetween(0, 9)
        if (draw === 7) return yield* new Drawn({ draw })
      })
      const failure = yield* Effect.flip(Simulation.check("draws (no \"7\")", program, { seeds: 500 }))
      assert.strictEqual(failure.reason, "Drawn: drew 7")
      assert.strictEqual(failure.tried, failure.seed)
      const command =
        `OSTINATO_SEED=${failure.seed} npx vitest run test/testing/Simulation.test.ts -t 'draws \\(no "7"\\)'`
      assert.strictEqual(failure.replay, command)
      for (const part of [`seed ${failure.seed} fails`, "drew 7", command, "0d 00:00:00.000 begin"]) {
        assert.include(failure.message, part)
      }
      assert.deepStrictEqual(yield* Simulation.check("never fails", Effect.void, { seeds: [3, 5] }), { tried: 2 })
    }))

  it.effect("D.6 a check without a seed fails: it would prove nothing", () =>
    Effect.gen(function*() {
      for (const seeds of [0, -1, []]) {
        const exit = yield* Effect.exit(Simulation.check("nothing", Effect.fail("never seen"), { seeds }))
        assert.match(Exit.isFailure(exit) ? Cause.pretty(exit.cause) : "", /nothing: there is no seed to try/)
      }
    }))
})
