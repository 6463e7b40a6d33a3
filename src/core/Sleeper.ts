/**
 * A sleep that can be ended: for loops that look at something now and then, and at once when they are told.
 *
 * A wake that finds nobody asleep ends the next sleep at once, so nothing is missed between looking and falling asleep;
 * many such wakes count as one.
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"

/**
 * A sleep that others can end. Tells whether its time was over or it was woken.
 *
 * @category models
 */
export interface Sleeper {
  readonly sleep: (duration: Duration.Input) => Effect.Effect<"over" | "woken">
  readonly wake: Effect.Effect<void>
}

/**
 * Makes a sleeper for one loop.
 *
 * @category constructors
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import { Sleeper } from "ostinato"
 *
 * const program = Effect.gen(function*() {
 *   const sleeper = yield* Sleeper.make
 *   yield* sleeper.wake
 *   return yield* sleeper.sleep("1 hour")
 * })
 *
 * await Effect.runPromise(program) // => "woken"
 * ```
 */
export const make: Effect.Effect<Sleeper> = Effect.map(Queue.sliding<void>(1), (woken) => ({
  sleep: (duration) =>
    Effect.map(
      Effect.timeoutOption(Queue.take(woken), duration),
      (taken) => Option.isSome(taken) ? "woken" : "over"
    ),
  wake: Effect.asVoid(Queue.offer(woken, undefined))
}))
