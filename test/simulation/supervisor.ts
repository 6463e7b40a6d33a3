/** What a Supervisor promises, however its loops end. */
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as Random from "effect/Random"
import * as Schedule from "effect/Schedule"
import { Supervisor } from "ostinato"
import { Simulation } from "ostinato/testing"

const upTo = (milliseconds: number) => Random.nextIntBetween(0, milliseconds)

export const supervisorHolds = (layer: Layer.Layer<Supervisor.Supervisor>) =>
  Effect.gen(function*() {
    const supervisor = yield* Supervisor.Supervisor
    const live = [0, 0, 0]
    let isCalm = false
    let failures = 0
    yield* Simulation.always("no loop runs twice at once", () => live.every((count) => count <= 1))

    const loop = (at: number) =>
      Effect.gen(function*() {
        yield* Effect.acquireRelease(
          Effect.sync(() => live[at]! += 1),
          () => Effect.andThen(Effect.flatMap(upTo(300), Effect.sleep), Effect.sync(() => live[at]! -= 1))
        )
        yield* Effect.sleep(yield* upTo(2000))
        if (isCalm) return yield* Effect.never
        failures += 1
        return (yield* upTo(1)) === 0 ? yield* Effect.fail("lost") : yield* Effect.die("broken")
      }).pipe(Effect.scoped)

    yield* Effect.scoped(Effect.gen(function*() {
      for (const at of [0, 1, 2]) {
        yield* supervisor.start(`loop ${at}`, loop(at), { restart: Schedule.spaced("100 millis") })
      }
      yield* Effect.sleep("20 seconds")
      isCalm = true
      yield* Effect.sleep("10 seconds")
      assert.deepStrictEqual(live, [1, 1, 1], "every loop runs again")
      const status = yield* supervisor.status
      assert.deepStrictEqual(status.map(({ state }) => state), ["running", "running", "running"])
      assert.strictEqual(status.reduce((sum, { failures }) => sum + failures, 0), failures)
    }))
    assert.deepStrictEqual(live, [0, 0, 0], "loops end with their scope")
    assert.deepStrictEqual(yield* supervisor.status, [])
    yield* Effect.sleep("1 minute")
    assert.deepStrictEqual(live, [0, 0, 0])
  }).pipe(Effect.provide(layer))
