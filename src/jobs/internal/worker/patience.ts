/**
 * How a worker talks to its store: every question has a limit, one that goes unanswered is let go, an outage is told of
 * once in 10 seconds however many loops notice it, and waited out with a growing, jittered delay of at most 2 seconds.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Random from "effect/Random"
import { JobStoreUnavailable } from "../../JobError.ts"

/** Milliseconds between two lines about an outage. */
const quiet = 10_000

export interface Patience {
  /** Asks once. */
  readonly ask: <A, E>(
    operation: string,
    question: Effect.Effect<A, E>
  ) => Effect.Effect<A, E | JobStoreUnavailable>
  /** The delay after so many failures in a row. */
  readonly pause: (failures: number) => Effect.Effect<void>
  readonly told: (error: JobStoreUnavailable) => Effect.Effect<void>
}

export const make = (options: {
  readonly name: string
  /** Milliseconds for one question. */
  readonly limit: number
}): Patience => {
  let toldAt = Number.NEGATIVE_INFINITY
  let isTold = false

  const told = (error: JobStoreUnavailable) =>
    Effect.flatMap(Clock.currentTimeMillis, (now) => {
      if (now - toldAt < quiet) return Effect.void
      toldAt = now
      isTold = true
      return Effect.logWarning(`${options.name}: ${error.message}. It is asked again until it answers`)
    })
  const back = Effect.suspend(() => {
    if (!isTold) return Effect.void
    isTold = false
    return Effect.logInfo(`${options.name}: the job store answers again`)
  })
  const ask = <A, E>(operation: string, question: Effect.Effect<A, E>): Effect.Effect<A, E | JobStoreUnavailable> =>
    Effect.tap(within(options.limit, operation, question), back)
  const pause = (failures: number) =>
    Effect.flatMap(
      Random.nextBetween(0.8, 1.2),
      (jitter) => Effect.sleep(jitter * Math.min(1600, 50 * 2 ** Math.min(failures, 10)))
    )

  return { ask, pause, told }
}

/** Waits no longer than this, whatever becomes of the question: a half-open connection does not even end when asked to. */
const within = <A, E>(limit: number, operation: string, question: Effect.Effect<A, E>) =>
  Effect.uninterruptibleMask((restore) =>
    Effect.flatMap(Effect.forkDetach(question, { startImmediately: true }), (fiber) => {
      const answered = fiber.pollUnsafe()
      if (answered !== undefined) return answered
      const letGo = Effect.sync(() => fiber.interruptUnsafe())
      return Effect.flatten(Effect.onInterrupt(
        restore(Effect.timeoutOrElse(Fiber.await(fiber), {
          duration: limit,
          orElse: () =>
            Effect.andThen(
              letGo,
              new JobStoreUnavailable({ operation, detail: `there was no answer within ${limit} ms` })
            )
        })),
        () => letGo
      ))
    })
  )
