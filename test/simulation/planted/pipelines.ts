/** Runners of stages with one mistake each. */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Semaphore from "effect/Semaphore"
import type { Runner } from "../pipeline.ts"

const made =
  (mistake: "counts in two steps" | "looks, then starts" | "looks, then takes a place"): Runner => (model, stage) =>
    Effect.gen(function*() {
      const pending = new Map(model.stages.map(({ name, parents }) => [name, parents.length]))
      const ended = new Set<string>()
      const done = yield* Deferred.make<void>()
      const limit = model.concurrency ?? Infinity
      const permits = yield* Semaphore.make(Number.isFinite(limit) ? limit : 100)
      let running = 0

      const bounded = <A, E>(work: Effect.Effect<A, E>) =>
        mistake === "looks, then takes a place"
          ? Effect.gen(function*() {
            yield* Effect.repeat(Effect.sleep(1), { while: () => running >= limit })
            running += 1
            return yield* Effect.ensuring(work, Effect.sync(() => running -= 1))
          })
          : permits.withPermit(work)

      const start = (name: string): Effect.Effect<void, unknown> =>
        Effect.gen(function*() {
          yield* bounded(stage(name))
          ended.add(name)
          const children = model.stages.filter(({ parents }) => parents.some((parent) => parent.name === name))
          if (ended.size === model.stages.length) yield* Deferred.succeed(done, undefined)
          yield* Effect.forEach(children, (child) => advance(child.name), { concurrency: "unbounded" })
        })
      const advance = (name: string) =>
        Effect.gen(function*() {
          if (mistake === "looks, then starts") {
            const { parents } = model.stages.find((stage) => stage.name === name)!
            const isReady = Effect.sync(() => parents.every((parent) => ended.has(parent.name)))
            if (yield* isReady) yield* start(name)
            return
          }
          const left = yield* Effect.sync(() => pending.get(name)!)
          yield* Effect.sync(() => pending.set(name, left - 1))
          if (left === 1) yield* start(name)
        })
      const roots = model.stages.filter(({ parents }) => parents.length === 0)
      yield* Effect.forEach(roots, ({ name }) => start(name), { concurrency: "unbounded" })
      yield* Deferred.await(done)
    })

/** Two parents that end together both see two left, and the stage waits for ever. */
export const countsInTwoSteps = made("counts in two steps")

/** Two parents that end together both see that all have ended, and both start the stage. */
export const looksThenStarts = made("looks, then starts")

/** Two stages both see the last free place. */
export const looksThenTakesAPlace = made("looks, then takes a place")
