/** Pools with one mistake each. */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as FiberSet from "effect/FiberSet"
import * as Semaphore from "effect/Semaphore"
import type { Make } from "../taskPool.ts"

type Mistake = "leaks when interrupted" | "looks, then takes a slot" | "looks whether it is open, then takes in"

const made = (mistake: Mistake): Make => (capacity) =>
  Effect.gen(function*() {
    const slots = yield* Semaphore.make(capacity)
    const inFlight = yield* FiberSet.make()
    let free = capacity
    let isOpen = true
    const take = Effect.sync(() => free -= 1)
    const give = Effect.sync(() => free += 1)
    const inSlot = (work: Effect.Effect<void>) => {
      if (mistake === "looks, then takes a slot") {
        const hasSlot = Effect.repeat(Effect.sleep(1), { while: () => free <= 0 })
        return Effect.andThen(hasSlot, Effect.acquireUseRelease(take, () => work, () => give))
      }
      const counted = Effect.acquireUseRelease(take, () => work, () => give)
      return mistake === "leaks when interrupted"
        ? Effect.gen(function*() {
          yield* slots.take(1)
          yield* take
          const exit = yield* Effect.exit(work)
          yield* give
          yield* slots.release(1)
          return yield* exit
        })
        : slots.withPermits(1)(counted)
    }
    const shutdown = Effect.gen(function*() {
      isOpen = false
      yield* Effect.timeoutOption(FiberSet.awaitEmpty(inFlight), 20)
      yield* FiberSet.clear(inFlight)
    })
    return {
      free: Effect.sync(() => free),
      shutdown,
      submit: Effect.fnUntraced(function*(work) {
        const outcome = yield* Deferred.make<void, unknown>()
        if (!isOpen) return yield* Effect.fail("closed")
        const job = Effect.onExit(Effect.uninterruptibleMask((restore) => restore(inSlot(work))), (exit) =>
          Deferred.done(outcome, exit))
        if (mistake !== "looks whether it is open, then takes in" && !isOpen) {
          return yield* Effect.fail("closed")
        }
        const fiber = yield* FiberSet.run(inFlight, job)
        return { await: Deferred.await(outcome), cancel: Fiber.interrupt(fiber) }
      })
    }
  })

/** A slot is given back by the next line, which an interruption never reaches. */
export const leaksWhenInterrupted = made("leaks when interrupted")

/** Two submissions both see the last free slot. */
export const looksThenTakesASlot = made("looks, then takes a slot")

/** A submission that found the pool open comes in after the shutdown has looked. */
export const looksThenTakesIn = made("looks whether it is open, then takes in")
