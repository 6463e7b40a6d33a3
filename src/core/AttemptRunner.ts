/**
 * Single attempts of a task, for an executor that counts attempts itself and keeps them elsewhere: durable jobs.
 *
 * An attempt has all that it has everywhere else: a Scope whose finalizers end before its outcome is known, the `Attempt`,
 * the interceptors in their order, the origin, and what its handler logs, in `journal`. A task that composes others runs
 * them as it always does, with their own retries and limits. The retry policy of the task itself is not used: whoever
 * runs attempts decides about the next one.
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import * as References from "effect/References"
import * as Attempts from "./Attempt.ts"
import { type Attempted, Interceptors } from "./Interceptor.ts"
import { bounded } from "./internal/bounded.ts"
import { partsOf } from "./internal/handles.ts"
import * as Journals from "./internal/journal.ts"
import { CurrentTrigger } from "./internal/trigger.ts"
import { type Origin, RunContext } from "./RunContext.ts"
import type { Storable, Task } from "./Task.ts"
import { TaskTimeout } from "./TaskError.ts"
import type { Trigger } from "./TaskRun.ts"

/**
 * Receives what an attempt tells about itself.
 *
 * @category models
 */
export type Journal = Journals.Journal

/**
 * Who an attempt is, and who listens to it.
 *
 * @category models
 */
export interface Subject {
  readonly attempt: Attempts.Attempt["Service"]
  readonly journal: Journal
  readonly origin: Origin | undefined
  readonly annotations: Readonly<Record<string, unknown>>
}

/**
 * A task whose handler is found, ready to be attempted any number of times.
 *
 * @category models
 */
export interface Ready {
  /** The services of one attempt: what was there at `make`, and what is its own. */
  readonly context: (subject: Subject) => Context.Context<never>
  /**
   * The attempt. To be run in a context of `context`. Its limit is its caller's to keep, unless interceptors are there:
   * these see a `TaskTimeout`.
   */
  readonly attempt: (
    payload: unknown,
    about: () => Attempted,
    timeoutMs: number
  ) => Effect.Effect<unknown, unknown>
  /** Whether the attempt keeps its limit itself. */
  readonly keepsLimit: boolean
}

/**
 * Finds the handler of a task. `base` is what every attempt sees besides the services of the handler's own Layer;
 * `logger` is given what attempts log, beside the loggers that are there.
 *
 * @category constructors
 */
export const make = <Name extends string, P extends Storable, S extends Storable, E extends Storable, R>(
  task: Task<Name, P, S, E, R>,
  base: Context.Context<never>,
  logger: Logger.Logger<unknown, void>
): Effect.Effect<Ready, never, R> =>
  Effect.map(task.handler, (handle) => {
    const parts = partsOf(handle)
    const services = shared(parts === undefined ? base : Context.merge(base, parts.captured), logger)
    const interceptors = Context.get(base, Interceptors)
    // what a handler has is what its Layer captured, its own Scope and its Attempt, which types cannot say
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- as said
    const run = (parts?.handle ?? handle) as (payload: unknown) => Effect.Effect<unknown, unknown>
    const body = (payload: unknown) => Effect.scoped(Effect.suspend(() => run(payload)))
    return {
      keepsLimit: interceptors.length > 0,
      context: (subject) => contextOf(services, subject),
      attempt: interceptors.length === 0 ? body : (payload, describe, timeoutMs) => {
        const about = describe()
        const limited = timeoutMs === -1 ? body(payload) : bounded(body(payload), {
          name: `attempt ${about.attempt} of task ${task.name}`,
          grace: task.grace,
          timeout: Duration.millis(timeoutMs),
          onTimeout: () => new TaskTimeout({ task: task.name, timeoutMs })
        })
        return interceptors.reduceRight((inner, interceptor) => interceptor(inner, about), limited)
      }
    }
  })

/** The trigger of most attempts: it is there for all, and replaced where it is another. */
const plain: Trigger = { kind: "code" }

const contextOf = (
  services: Context.Context<never>,
  { annotations, attempt, journal, origin }: Subject
): Context.Context<never> => {
  const { trigger } = attempt
  let context: Context.Context<never> = Context.add(services, Attempts.Attempt, attempt)
  context = Context.add(context, Journals.Journal, journal)
  if (trigger.kind !== plain.kind) context = Context.add(context, CurrentTrigger, trigger)
  context = Context.add(context, References.CurrentLogAnnotations, annotations)
  return origin === undefined ? context : Context.add(context, RunContext, origin)
}

/** What all attempts of a task have, in one flat map: what each adds to it is found first. */
const shared = (context: Context.Context<never>, logger: Logger.Logger<unknown, void>): Context.Context<never> =>
  Context.makeUnsafe(
    Context.add(
      Context.add(context, Logger.CurrentLoggers, new Set([...Context.get(context, Logger.CurrentLoggers), logger])),
      CurrentTrigger,
      plain
    ).mapUnsafe
  )
