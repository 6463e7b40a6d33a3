/**
 * How long a fiber holds the event loop in one go. A fiber runs from one wait to the next without giving anything else a
 * turn; what blocks is one such slice that takes too long. Only the fiber itself is measured, not those that it forks.
 */
import type * as Fiber from "effect/Fiber"

interface Running {
  evaluate: (effect: never) => void
}

/** Begins a fiber and measures every slice of it, from the first one on. */
export const measured = <A, E>(
  limitMs: number,
  over: (ms: number) => void,
  begin: () => Fiber.Fiber<A, E>
): Fiber.Fiber<A, E> => {
  let isMeasured = false
  const timed = <B>(slice: () => B): B => {
    // a slice may call itself
    if (isMeasured) return slice()
    isMeasured = true
    const since = performance.now()
    const value = slice()
    const ms = performance.now() - since
    isMeasured = false
    if (ms > limitMs) over(ms)
    return value
  }
  const fiber = timed(begin)
  if (fiber.pollUnsafe() !== undefined) return fiber
  // fibers are resumed through this method, which their interface does not name
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- as said
  const running = fiber as unknown as Running
  const { evaluate } = running
  if (typeof evaluate === "function") running.evaluate = (effect) => timed(() => evaluate.call(fiber, effect))
  return fiber
}
