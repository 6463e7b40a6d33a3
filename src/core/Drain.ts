/**
 * A bounded end for work in flight: stop intake, let it finish, ask it to stop, then let it go.
 *
 *   open --close--> draining --(all done | drain over)--> interrupting --(all done | grace over)--> closed
 *
 * Closing takes at most `drain + grace`, whatever the work does. Work that neither finished nor yielded to
 * interruption is abandoned and named in the report; it may still be running.
 */
import * as Cause from "effect/Cause"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import type * as Scope from "effect/Scope"

/**
 * What became of the work that was in flight when intake stopped, by name.
 *
 * @category models
 */
export interface Report {
  readonly completed: number
  readonly interrupted: ReadonlyArray<string>
  readonly abandoned: ReadonlyArray<string>
}

/**
 * Work in flight that can be brought to an end in bounded time.
 *
 * @category models
 */
export interface Drain {
  /** Starts work in a fiber of its own; a defect of it is logged. `false`: intake has stopped and nothing was started. */
  readonly fork: <R>(name: string, work: Effect.Effect<void, never, R>) => Effect.Effect<boolean, never, R>
  /** How many pieces of work are in flight. */
  readonly running: Effect.Effect<number>
  /** Stops intake and ends what is in flight. A second call finds nothing to do. */
  readonly close: Effect.Effect<Report>
}

/**
 * Makes a drain that is closed with its scope.
 *
 * @category constructors
 */
export const make = (options: {
  /** How long work may go on after intake stopped. */
  readonly drain: Duration.Input
  /** How long interrupted work may take for its finalizers. Defaults to `3 seconds`. */
  readonly grace?: Duration.Input | undefined
}): Effect.Effect<Drain, never, Scope.Scope> =>
  Effect.gen(function*() {
    const inFlight = new Set<Work>()
    const settled = yield* Latch.make(true)
    let open = true

    const close = Effect.gen(function*() {
      const before = open ? inFlight.size : 0
      open = false
      if (before === 0) return { completed: 0, interrupted: [], abandoned: [] }
      yield* Effect.timeoutOption(settled.await, options.drain)
      const late = Array.from(inFlight, ({ name }) => name)
      // ask only: waiting for each in turn would not be bounded
      for (const work of inFlight) {
        work.isAsked = true
        work.fiber?.interruptUnsafe()
      }
      if (late.length > 0) yield* Effect.timeoutOption(settled.await, options.grace ?? "3 seconds")
      const abandoned = Array.from(inFlight, ({ name }) => name)
      return {
        completed: before - late.length,
        interrupted: late.filter((name) => !abandoned.includes(name)),
        abandoned
      }
    })

    yield* Effect.addFinalizer(() => close)
    return {
      fork: (name, work) =>
        Effect.uninterruptible(Effect.suspend(() => {
          if (!open) return Effect.succeed(false)
          // in flight from the moment at which intake was found open: a close in between waits for it, too
          const started: Work = { name, fiber: undefined, isAsked: false }
          inFlight.add(started)
          settled.closeUnsafe()
          return Effect.map(Effect.forkDetach(reported(name, work)), (fiber) => {
            started.fiber = fiber
            fiber.addObserver(() => {
              inFlight.delete(started)
              if (inFlight.size === 0) settled.openUnsafe()
            })
            if (started.isAsked) fiber.interruptUnsafe()
            return true
          })
        })),
      running: Effect.sync(() => inFlight.size),
      close: Effect.uninterruptible(close)
    }
  })

// nobody waits for the fiber itself
const reported = <R>(name: string, work: Effect.Effect<void, never, R>) =>
  Effect.onExit(
    work,
    (exit) =>
      Exit.isFailure(exit) && Cause.hasDies(exit.cause) ? Effect.logError(`${name} broke`, exit.cause) : Effect.void
  )

interface Work {
  readonly name: string
  /** Absent until it was forked. */
  fiber: Fiber.Fiber<void> | undefined
  /** It was asked to stop. */
  isAsked: boolean
}

/**
 * Waits for work no longer than this, then asks it to stop and lets it go: for the end of something that may hang. Gives
 * whether the work has ended.
 *
 * @category combinators
 */
export const atMost =
  (limit: Duration.Input) => <R>(work: Effect.Effect<void, never, R>): Effect.Effect<boolean, never, R> =>
    Effect.scoped(Effect.gen(function*() {
      const drain = yield* make({ drain: limit, grace: 0 })
      yield* drain.fork("work", work)
      return !isCutShort(yield* drain.close)
    }))

/**
 * Whether a report shows that work was cut short.
 *
 * @category guards
 */
export const isCutShort = (report: Report): boolean => report.interrupted.length > 0 || report.abandoned.length > 0
