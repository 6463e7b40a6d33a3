/**
 * One run of a pipeline: all stages at once, each waiting for those before it; and what the whole comes to.
 *
 * The stages are fibers of the pipeline's own attempt and end with it: where the failure of one stops the pipeline, the
 * others are interrupted in the same turn, and their finalizers end, or use up their grace, before the pipeline has failed.
 */
import * as Arr from "effect/Array"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Semaphore from "effect/Semaphore"
import { Attempt, report } from "../../Attempt.ts"
import { PipelineErrors } from "../../PipelineError.ts"
import { Journal } from "../journal.ts"
import { MemberPath } from "../path.ts"
import { type Failed, isFatal, isPlain, Place, type Places, seenAs } from "./Place.ts"
import type { Planned } from "./plan.ts"
import * as Records from "./records.ts"
import { failure, walk } from "./stage.ts"
import type { Mode } from "./typed.ts"

/** A checked pipeline whose handlers are found. */
export interface Runnable {
  readonly pipeline: string
  readonly mode: Mode
  readonly concurrency: number | undefined
  readonly stages: ReadonlyArray<Planned<never>>
}

export const run = ({ concurrency, mode, pipeline, stages }: Runnable, payload: unknown) =>
  Effect.gen(function*() {
    const { runId } = yield* Attempt
    const journal = yield* Journal
    const path = [...(yield* MemberPath), pipeline]
    const beganAt = yield* Clock.monotonicTimeNanos
    const places: Places = new Map(stages.map((stage) => [stage.name, new Place(stage)]))
    const permits = Semaphore.makeUnsafe(Math.max(1, concurrency ?? Infinity))

    const told = (exit: Exit.Exit<void, unknown>) =>
      Effect.flatMap(Clock.monotonicTimeNanos, (now) => {
        const records = Records.make(places, path, { beganAt, now })
        for (const record of records) journal.stage(record)
        return Records.summary(pipeline, records, Exit.isSuccess(exit) ? "completed" : "stopped")
      })

    const around = { mode, path, payload, permits, pipeline, places, runId }
    yield* Effect.forEach(places.values(), (place) => walk(place, around), { concurrency: "unbounded", discard: true })
      .pipe(Effect.onExit(told))

    const fatal = Array.from(places.values()).filter(isFatal)
    if (fatal.length > 0) return yield* Effect.failCause(together(pipeline, fatal))
    yield* tolerated(places)
    return Object.fromEntries(
      Array.from(places.values(), (place) => [place.name, seenAs(place, isPlain(place.stage) ? "value" : "result")])
    )
  })

/** All failures as one: the typed ones in a list, beside all defects. */
const together = (pipeline: string, fatal: ReadonlyArray<Failed>) => {
  const reasons = fatal.flatMap((place) => failure(pipeline, place).reasons)
  const errors = reasons.filter(Cause.isFailReason).map(({ error }) => error)
  const others = reasons.filter((reason) => !Cause.isFailReason(reason))
  return Cause.fromReasons(
    Arr.isArrayNonEmpty(errors) ? [Cause.makeFailReason(new PipelineErrors({ pipeline, errors })), ...others] : others
  )
}

const tolerated = (places: Places) => {
  const count = (status: string) =>
    Array.from(places.values()).filter(({ outcome }) => outcome?.status === status).length
  const failed = count("failed")
  const succeeded = count("completed")
  return failed === 0
    ? Effect.void
    : report({ succeeded, failed, summary: `${succeeded} of ${places.size} stages` })
}
