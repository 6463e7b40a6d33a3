/** What a pool promises, whoever submits, cancels and shuts down. */
import { assert } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import type * as Scope from "effect/Scope"
import { TaskPool } from "ostinato"
import { Simulation } from "ostinato/testing"

const upTo = (milliseconds: number) => Random.nextIntBetween(0, milliseconds)

/** As much of a pool as is watched here. */
export interface Pool {
  readonly submit: (work: Effect.Effect<void>) => Effect.Effect<
    { readonly await: Effect.Effect<unknown, unknown>; readonly cancel: Effect.Effect<unknown> },
    unknown
  >
  readonly shutdown: Effect.Effect<unknown>
  readonly free: Effect.Effect<number>
}
export type Make = (capacity: number) => Effect.Effect<Pool, unknown, Scope.Scope>

export const real: Make = (capacity) =>
  Effect.map(TaskPool.make({ name: "simulated", capacity, drain: 20, grace: 10 }), (pool) => ({
    submit: (work) => pool.submit(work),
    shutdown: pool.shutdown(),
    free: Effect.map(pool.figures, (figures) => {
      const { completed, dropped, failed, interrupted, outside, rejected, running, submitted, waiting } = figures
      assert.strictEqual(submitted, completed + failed + interrupted + dropped + rejected + waiting + running + outside)
      assert.strictEqual(figures.running + figures.free, figures.capacity)
      return figures.free
    })
  }))

export const poolHolds = (make: Make) =>
  Effect.gen(function*() {
    const capacity = 1 + (yield* upTo(2))
    const pool = yield* make(capacity)
    const begun: Array<number> = []
    const closed: Array<number> = []
    let submissions = 0
    let outcomes = 0
    let accepted = 0
    let live = 0
    let isShut = false
    const broken: Array<string> = []
    yield* Simulation.always("no more at work than slots", () => live <= capacity)

    const work = (id: number) =>
      Effect.acquireUseRelease(
        Effect.sync(() => {
          if (isShut) broken.push(`${id} begins after the shutdown`)
          live += 1
          begun.push(id)
        }),
        () =>
          Effect.flatMap(upTo(5), (n) => n === 0 ? Effect.die("broken") : n === 1 ? Effect.never : Effect.sleep(n - 2)),
        () =>
          Effect.sync(() => {
            live -= 1
            closed.push(id)
          })
      )
    const client = Effect.gen(function*() {
      yield* Effect.sleep(yield* upTo(3))
      const handle = yield* Effect.option(pool.submit(work(++submissions)))
      if (Option.isNone(handle)) return
      accepted += 1
      if ((yield* upTo(3)) === 0) {
        yield* Effect.sleep(yield* upTo(3))
        yield* handle.value.cancel
      }
      yield* Effect.exit(handle.value.await)
      outcomes += 1
    })
    const clients = yield* Effect.forkChild(
      Effect.forEach([1, 2, 3, 4, 5], () => Effect.repeat(client, { times: 1 }), { concurrency: "unbounded" })
    )
    yield* Effect.sleep(yield* upTo(8))
    yield* pool.free
    const before = yield* Clock.currentTimeMillis
    yield* pool.shutdown
    isShut = true
    assert.isAtMost((yield* Clock.currentTimeMillis) - before, 30, "a shutdown takes at most drain and grace")
    yield* Fiber.join(clients)
    assert.deepStrictEqual(broken, [])
    assert.strictEqual(outcomes, accepted, "every accepted submission has an outcome")
    assert.strictEqual(new Set(begun).size, begun.length, "nothing begins twice")
    assert.sameMembers(closed, begun, "what began has ended, once")
    assert.strictEqual(yield* pool.free, capacity, "every slot is free in the end")
  })
