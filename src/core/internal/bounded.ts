/**
 * Work that whoever waits for it can always leave: asked to stop, it may take a grace for its finalizers; what goes on
 * after that is abandoned and said so in the log, and it can change nothing any more.
 *
 * An effect that is not interruptible, or whose finalizers hang, would otherwise hold whoever interrupts it.
 */
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import { skipped } from "../TaskError.ts"

export const bounded = <A, E, R, E2 = never>(work: Effect.Effect<A, E, R>, options: {
  readonly name: string
  readonly grace: Duration.Duration
  /** Asks the work to stop by itself after this time, and fails with what `onTimeout` gives. */
  readonly timeout?: Duration.Duration | undefined
  readonly onTimeout?: (() => E2) | undefined
}): Effect.Effect<A, E | E2, R> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.flatMap(Effect.forkDetach(work, { startImmediately: true }), (fiber) => {
      const { onTimeout, timeout } = options
      // its outcome is decided by now, so nobody else tells of a finalizer that broke
      const brokenWhileStopping = (exit: Exit.Exit<A, E>) =>
        Exit.isFailure(exit) && Cause.hasDies(exit.cause) && skipped(exit.cause) === undefined
          ? Effect.logError(`${options.name} broke while it stopped`, exit.cause)
          : Effect.void
      const stop = Effect.suspend(() => {
        fiber.interruptUnsafe()
        return Effect.timeoutOrElse(Effect.flatMap(Fiber.await(fiber), brokenWhileStopping), {
          duration: options.grace,
          orElse: () => Effect.logError(`${options.name} did not stop when it was asked to: it is abandoned`)
        })
      })
      const ended = timeout === undefined || onTimeout === undefined
        ? Fiber.await(fiber)
        : Effect.timeoutOrElse(Fiber.await(fiber), {
          duration: timeout,
          orElse: () => Effect.as(stop, Exit.fail<E | E2>(onTimeout()))
        })
      return Effect.flatten(Effect.onInterrupt(restore(ended), () => stop))
    })
  )

/** The grace of what runs others: they have used up theirs first. */
export const graceAround = (members: ReadonlyArray<{ readonly grace: Duration.Duration }>): Duration.Duration =>
  Duration.sum(
    members.reduce((longest, { grace }) => Duration.max(longest, grace), Duration.zero),
    Duration.seconds(1)
  )
