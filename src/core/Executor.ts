/**
 * Where work runs when not in the fiber that asks for it: a pool, a lane of its own, another machine.
 *
 * An executor runs what it accepts at most once and gives back its outcome; interrupting the caller interrupts the work.
 * What it refuses, drops or cuts short fails with an error of its own. `TaskPool` is one by its form.
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as References from "effect/References"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Tracer from "effect/Tracer"
import { Interceptors } from "./Interceptor.ts"
import { Journal, logged } from "./internal/journal.ts"
import { MemberPath } from "./internal/path.ts"
import { CurrentTrigger } from "./internal/trigger.ts"
import { RunContext } from "./RunContext.ts"
import { StageJournal } from "./StageJournal.ts"
import { fromCause, TaskTimeout } from "./TaskError.ts"

/**
 * Where work can be run, at most once, with its outcome given back.
 *
 * @category models
 */
export interface Executor {
  /** For errors and spans. */
  readonly name: string
  readonly run: <A, E>(
    work: Effect.Effect<A, E>,
    options: {
      /** Of the work, for logs and metrics. */
      readonly name: string
    }
  ) => Effect.Effect<A, E | Refusal>
}

/**
 * What an executor may fail with: any tagged error of its own.
 *
 * @category errors
 */
export interface Refusal {
  readonly _tag: string
  readonly message: string
}

/**
 * An executor did not run the work to its end.
 *
 * @category errors
 */
export class ExecutorFailed extends Schema.TaggedError<ExecutorFailed>()("ExecutorFailed", {
  /** Name of the executor. */
  executor: Schema.String,
  /** Tag of its own error, e.g. `PoolFull`. */
  reason: Schema.String,
  detail: Schema.String
}) {
  override get message() {
    return `${this.executor} did not run the work to its end: ${this.reason}: ${this.detail}`
  }
}

/**
 * Runs work by an executor. The run that it belongs to comes along: its record, interceptors, span, log annotations and
 * origin. What the work fails with keeps its type; a limit of the executor is a `TaskTimeout`, and everything else that
 * it adds is `ExecutorFailed`.
 *
 * @category combinators
 */
export const run = <A, E>(
  executor: Executor,
  name: string,
  work: Effect.Effect<A, E>
): Effect.Effect<A, E | TaskTimeout | ExecutorFailed> =>
  Effect.contextWith((context: Context.Context<never>) => {
    let own: Exit.Exit<A, E> | undefined
    const tracked = Effect.onExit(
      Effect.updateContext(logged(work), (there: Context.Context<never>) => carry(context, there)),
      (exit) =>
        Effect.sync(() => {
          own = exit
        })
    )
    return Effect.flatMap(
      Effect.exit(executor.run(tracked, { name })),
      (exit): Exit.Exit<A, E | TaskTimeout | ExecutorFailed> => {
        // the work was cut short unless it has an outcome of its own
        if (own !== undefined && !(Exit.isFailure(own) && Cause.hasInterruptsOnly(own.cause))) return own
        if (Exit.isSuccess(exit)) return Exit.succeed(exit.value)
        const found = Cause.findError(exit.cause)
        if (Result.isFailure(found)) return Exit.failCause(found.failure)
        const error: unknown = found.success
        if (error instanceof TaskTimeout) return Exit.fail(error)
        const { message, tag } = fromCause(exit.cause)
        return Exit.fail(new ExecutorFailed({ executor: executor.name, reason: tag, detail: message }))
      }
    )
  })

const carry = <R>(from: Context.Context<never>, to: Context.Context<R>): Context.Context<R> => {
  const span = Context.getOrUndefined(from, Tracer.ParentSpan)
  const run = Context.make(Journal, Context.get(from, Journal)).pipe(
    Context.add(MemberPath, Context.get(from, MemberPath)),
    Context.add(CurrentTrigger, Context.get(from, CurrentTrigger)),
    Context.add(StageJournal, Context.get(from, StageJournal)),
    Context.add(Interceptors, Context.get(from, Interceptors)),
    Context.add(RunContext, Context.get(from, RunContext)),
    Context.add(References.CurrentLogAnnotations, Context.get(from, References.CurrentLogAnnotations))
  )
  return Context.merge(to, span === undefined ? run : Context.add(run, Tracer.ParentSpan, span))
}
