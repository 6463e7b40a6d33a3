/**
 * What the compiler knows of the stages of a pipeline: which have ended before a stage starts, which of them have
 * certainly succeeded, which may be skipped, and whose failure ends the whole.
 */
import type * as Result from "effect/Result"
import type { ExecutorFailed } from "../../Executor.ts"
import type { PipelineError, PipelineErrors } from "../../PipelineError.ts"
import type { TaskError, TaskTimeout } from "../../TaskError.ts"

/** What a failed or skipped stage means to one that comes after it. */
export type OnParentFailure = "stop" | "skip" | "continue"

/** The same for each parent. What is left out stops. */
export type Policy<Parents extends string = string> =
  | OnParentFailure
  | { readonly [Parent in Parents]?: OnParentFailure }

/** What becomes of the other stages when one fails. */
export type Mode = "failFast" | "collect"

interface Stage<
  out Success,
  out Error,
  /** Stages that have ended before it starts. */
  out Before extends string,
  /** Itself and the stages that have succeeded whenever it has. */
  out Sure extends string,
  /** Whether it may be skipped while the pipeline goes on. */
  out Optional extends boolean,
  /** How the stages after it take its failure; never as long as none comes after it. */
  out Edges extends OnParentFailure
> {
  readonly success: Success
  readonly error: Error
  readonly before: Before
  readonly sure: Sure
  readonly optional: Optional
  readonly edges: Edges
}

export type Stages = { readonly [name: string]: Stage<unknown, unknown, string, string, boolean, OnParentFailure> }

type Names<S> = keyof S & string

type PolicyFor<P, Parent> = P extends OnParentFailure ? P
  : Parent extends keyof P ? Extract<P[Parent], OnParentFailure>
  : "stop"

/** Asks nothing of a name that no stage has yet, and what nobody has of any other: the compiler shows why. */
export type NewName<S, Name extends string> = Name extends Names<S> ?
  { readonly "~there is a stage of this name": Name }
  : Name extends "payload" ? { readonly "~inputs hold the payload under this name": Name }
  : unknown

/** The same for stages that are there. */
export type KnownNames<S, After extends ReadonlyArray<string>> = {
  readonly [I in keyof After]: After[I] extends Names<S> ? After[I]
    : { readonly "~there is no stage of this name before": After[I] }
}

type BeforeOf<S extends Stages, After> = After extends Names<S> ? After | S[After]["before"] : never

type SureOf<S extends Stages, After, P> = After extends Names<S>
  ? PolicyFor<P, After> extends "continue" ? never : S[After]["sure"]
  : never

type Optional<S extends Stages, After, P, Conditional> = Conditional extends true ? true
  : true extends (After extends Names<S> ? OptionalAfter<S[After], PolicyFor<P, After>> : never) ? true
  : false

type OptionalAfter<Parent, P> = P extends "skip" ? true
  : P extends "stop" ? Parent extends { readonly optional: true } ? true : false
  : false

/** What a stage sees: the payload and every stage that has ended before it, a `Result` where that may not have succeeded. */
export type Inputs<Payload, S extends Stages, After, P> =
  & { readonly payload: Payload }
  & {
    readonly [Name in BeforeOf<S, After>]: Name extends SureOf<S, After, P> ? S[Name]["success"]
      : Result.Result<S[Name]["success"], S[Name]["error"] | TaskError>
  }

/** The stages with one more. */
export type Add<S extends Stages, Name extends string, After, P, Success, Error, Conditional> = {
  readonly [K in Names<S> | Name]: K extends Names<S> ? K extends After ? WithEdge<S[K], PolicyFor<P, K>> : S[K]
    : Stage<Success, Error, BeforeOf<S, After>, Name | SureOf<S, After, P>, Optional<S, After, P, Conditional>, never>
}

type WithEdge<T, Edge extends OnParentFailure> = T extends
  Stage<infer Success, infer Error, infer Before, infer Sure, infer Optional, infer Edges>
  ? Stage<Success, Error, Before, Sure, Optional, Edges | Edge>
  : never

/** Whether the pipeline goes on when the stage fails. */
type Tolerated<T extends Stages[string]> = [T["edges"]] extends [never] ? false
  : "stop" extends T["edges"] ? false
  : true

/** The value of a pipeline: what each stage gave, a `Result` where it may be skipped, or may fail with the pipeline going on. */
export type Values<S extends Stages> = {
  readonly [Name in Names<S>]: true extends S[Name]["optional"] | Tolerated<S[Name]>
    ? Result.Result<S[Name]["success"], S[Name]["error"] | TaskError>
    : S[Name]["success"]
}

/** The error of a pipeline: a union with a member for each stage whose failure ends it. */
export type Failure<S extends Stages, M extends Mode> = M extends "collect" ? [Failed<S>] extends [never] ? never
  : PipelineErrors<Failed<S>>
  : Failed<S>

type Failed<S extends Stages> = {
  readonly [Name in Names<S>]: Tolerated<S[Name]> extends true ? never : PipelineError<Name, S[Name]["error"]>
}[Names<S>]

/** What a stage adds to the errors of its task. */
export type StageError<E, Executor> = E | TaskTimeout | ([Executor] extends [never] ? never : ExecutorFailed)
