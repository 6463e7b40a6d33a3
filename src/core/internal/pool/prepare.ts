/**
 * Turns what was submitted into one Effect, when its turn has come: an Effect, a function, or the run of a task.
 *
 * A function that throws or rejects is a defect with the value that was thrown. One that takes an `AbortSignal` is asked
 * to stop by it, and its promise is waited for.
 */
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import type { TaskInterrupted } from "../../TaskError.ts"
import type { Settings } from "./settings.ts"

/** A run that the log knows already: it is recorded, logged and traced without the pool. */
export interface Recorded {
  readonly run: Effect.Effect<unknown, unknown>
  /** Ends the run in the log when it never begins. */
  readonly giveUp: (error: TaskInterrupted) => Effect.Effect<void>
}

/** Work as a submission keeps it: as it came, because a million of them may wait. */
export type Prepared = Effect.Effect<unknown, unknown> | ((signal: AbortSignal) => unknown) | Recorded

export const isRecorded = (work: Prepared | undefined): work is Recorded =>
  typeof work === "object" && !Effect.isEffect(work)

/** The Effect to run, with its retries and its span. */
export const prepare = (work: Prepared, settings: Settings, pool: string): Effect.Effect<unknown, unknown> => {
  if (isRecorded(work)) return work.run
  const effect = Effect.isEffect(work) ? work : called(work)
  const retried = settings.retry === undefined ? effect : Effect.retry(effect, settings.retry)
  const { name } = settings
  return name === null ? retried : Effect.withSpan(Effect.annotateLogs(retried, { task: name }), name, {
    attributes: { "ostinato.task": name, "ostinato.executor": `pool ${pool}` }
  })
}

const called = (work: (signal: AbortSignal) => unknown): Effect.Effect<unknown, unknown> =>
  Effect.suspend(() => {
    const controller = new AbortController()
    const result = work(controller.signal)
    // what it needs, `Work` bounds
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- as said
    if (Effect.isEffect(result)) return result as Effect.Effect<unknown, unknown>
    return Predicate.isPromiseLike(result)
      ? settled(result, work.length > 0 ? controller : undefined)
      : Effect.succeed(result)
  })

const settled = (promise: PromiseLike<unknown>, controller: AbortController | undefined) =>
  Effect.callback<unknown>((resume) => {
    let isSettled = false
    let over = () => {
      isSettled = true
    }
    promise.then(
      (value) => {
        resume(Effect.succeed(value))
        over()
      },
      (error: unknown) => {
        resume(Effect.die(error))
        over()
      }
    )
    return controller === undefined ? Effect.void : Effect.callback<void>((resume) => {
      controller.abort()
      if (isSettled) return resume(Effect.void)
      over = () => resume(Effect.void)
    })
  })
