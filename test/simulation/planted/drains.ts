/** Drains with one mistake each. */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { Drain } from "ostinato"

/** Looks whether it is open, starts the work, and only then writes down what it started. */
export const looksThenWrites: typeof Drain.make = Effect.fnUntraced(function*({ drain, grace }) {
  const inFlight = new Map<Fiber.Fiber<void>, string>()
  const settled = Effect.suspend(() => Fiber.awaitAll(inFlight.keys()))
  let open = true
  const close = Effect.gen(function*() {
    open = false
    const before = inFlight.size
    yield* Effect.timeoutOption(settled, drain)
    const late = Array.from(inFlight.values())
    for (const fiber of inFlight.keys()) fiber.interruptUnsafe()
    if (late.length > 0) yield* Effect.timeoutOption(settled, grace ?? 0)
    const abandoned = Array.from(inFlight.values())
    const interrupted = late.filter((name) => !abandoned.includes(name))
    return { completed: before - late.length, interrupted, abandoned }
  })
  return {
    fork: Effect.fnUntraced(function*(name, work) {
      if (!open) return false
      const fiber = yield* Effect.forkDetach(work)
      inFlight.set(fiber, name)
      fiber.addObserver(() => inFlight.delete(fiber))
      return true
    }),
    running: Effect.sync(() => inFlight.size),
    close
  }
})

/** Waits for what it interrupts, one after the other, however long that takes. */
export const waitsInTurn: typeof Drain.make = (options) =>
  Effect.map(Drain.make({ drain: "1 day" }), (drain) => {
    const started: Array<Fiber.Fiber<boolean>> = []
    return {
      ...drain,
      fork: (name, work) => drain.fork(name, work),
      close: Effect.gen(function*() {
        const report = yield* Effect.forkDetach(drain.close)
        yield* Effect.timeoutOption(Fiber.await(report), options.drain)
        yield* Fiber.interruptAll(started)
        return yield* Fiber.join(report)
      })
    }
  })
