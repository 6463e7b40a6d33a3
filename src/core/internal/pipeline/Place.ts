/**
 * What is known of one stage while a pipeline runs, and how other stages see it.
 */
import type * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import type * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Result from "effect/Result"
import { settle, TaskSkipped } from "../../TaskError.ts"
import type { Planned } from "./plan.ts"

export type Outcome =
  | { readonly status: "completed"; readonly value: unknown }
  | { readonly status: "failed"; readonly cause: Cause.Cause<unknown> }
  | { readonly status: "skipped"; readonly by: "dependency" | "condition" | "stop"; readonly reason: string }

/** In milliseconds, the first from the start of the pipeline. */
export interface Times {
  readonly startMs: number
  readonly runMs: number
}

export type Places = ReadonlyMap<string, Place>

export class Place {
  readonly stage: Planned<never>
  /** Of the monotonic clock, in nanoseconds. */
  startedAt: bigint | undefined = undefined
  endedAt: bigint | undefined = undefined
  outcome: Outcome | undefined = undefined
  /** Where it ran apart from its pipeline. */
  times: Times | undefined = undefined
  private readonly ended = Deferred.makeUnsafe<Outcome>()

  constructor(stage: Planned<never>) {
    this.stage = stage
  }

  get name(): string {
    return this.stage.name
  }

  get end(): Effect.Effect<Outcome> {
    return Deferred.await(this.ended)
  }

  settle(outcome: Outcome, now: bigint): void {
    this.outcome = outcome
    this.endedAt = now
  }

  /** Tells the stages that wait for it. */
  release(outcome: Outcome): void {
    Deferred.doneUnsafe(this.ended, Exit.succeed(outcome))
  }
}

export interface Failed extends Place {
  readonly outcome: Extract<Outcome, { readonly status: "failed" }>
}

/** Whether the pipeline cannot end well any more because of this stage. */
export const isFatal = (place: Place): place is Failed => place.outcome?.status === "failed" && !place.stage.isTolerated

/** Whether a pipeline that ends well has a value of this stage for certain. */
export const isPlain = (stage: Planned<unknown>): boolean => !stage.isOptional && !stage.isTolerated

/** The value of a stage that has succeeded for certain; or a `Result` of one that has ended. */
export const seenAs = ({ outcome, stage }: Place, form: "value" | "result"): unknown => {
  if (outcome?.status === "completed") return form === "value" ? outcome.value : Result.succeed(outcome.value)
  const { name } = stage.task
  return outcome?.status === "failed"
    ? settle(name, Exit.failCause(outcome.cause))
    : Result.fail(new TaskSkipped({ task: name, reason: outcome?.reason ?? "it did not start" }))
}
