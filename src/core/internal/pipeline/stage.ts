/**
 * One stage of a running pipeline: waits for those before it, decides whether to run, and tells those after it.
 *
 * It runs at most once, and has ended once its finalizers have, or have used up their grace. `Pipeline` draws its states.
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type * as Semaphore from "effect/Semaphore"
import * as Executor from "../../Executor.ts"
import { PipelineError } from "../../PipelineError.ts"
import * as RetryPolicy from "../../RetryPolicy.ts"
import { StageJournal, type StageKey } from "../../StageJournal.ts"
import { fromCause } from "../../TaskError.ts"
import type { RunId } from "../../TaskRun.ts"
import { attempted } from "../attempt.ts"
import { bounded } from "../bounded.ts"
import { below } from "../path.ts"
import { type Failed, isFatal, type Outcome, type Place, type Places, seenAs } from "./Place.ts"
import type { Planned } from "./plan.ts"
import type { Mode } from "./typed.ts"

export interface Surroundings {
  readonly pipeline: string
  readonly mode: Mode
  readonly runId: RunId
  /** Down to the pipeline. */
  readonly path: ReadonlyArray<string>
  readonly payload: unknown
  readonly places: Places
  readonly permits: Semaphore.Semaphore
}

/** Fails where it stops the pipeline, and then nothing that waits for it starts. Its outcome is in its place anyhow. */
export const walk = Effect.fnUntraced(function*(place: Place, around: Surroundings) {
  const outcome = (yield* elsewhere(place, around)) ??
    (yield* awaitParents(place.stage, around.places)) ??
    (yield* around.permits.withPermits(1)(proceed(place, around)))
  place.settle(outcome, yield* Clock.monotonicTimeNanos)
  yield* told(place, outcome)
  if (around.mode === "failFast" && isFatal(place)) return yield* Effect.failCause(failure(around.pipeline, place))
  place.release(outcome)
}, (walk, place) => Effect.annotateLogs(walk, { stage: place.name }))

/** Its failure as that of the pipeline. */
export const failure = (pipeline: string, { name, outcome }: Failed) =>
  Cause.map(outcome.cause, (cause) => new PipelineError({ pipeline, stage: name, cause }))

/** How it has ended apart from its pipeline, if it has. */
const elsewhere = Effect.fnUntraced(function*(place: Place, around: Surroundings) {
  const journal = yield* StageJournal
  const end = journal?.ended?.(keyOf(place, around))
  if (end === undefined) return undefined
  place.times = end.startMs === null ? undefined : { startMs: end.startMs, runMs: end.runMs }
  return end
})

const awaitParents = Effect.fnUntraced(function*({ parents }: Planned<never>, places: Places) {
  for (const { name } of parents) yield* places.get(name)?.end ?? Effect.void
  return obstacleOf(parents, (name) => places.get(name)?.outcome)
})

/** What keeps a stage from running when its parents have ended. */
export const obstacleOf = (
  parents: Planned<unknown>["parents"],
  outcomeOf: (stage: string) => Outcome | undefined
): Outcome | undefined => {
  for (const { name, onFailure } of parents) {
    const outcome = outcomeOf(name)
    if (outcome === undefined || outcome.status === "completed" || onFailure === "continue") continue
    return { status: "skipped", by: "dependency", reason: because(name, outcome) }
  }
  return undefined
}

const because = (name: string, outcome: Outcome) =>
  outcome.status === "skipped" ? `${name} was skipped` : `${name} ${outcome.status}`

const proceed = (place: Place, around: Surroundings): Effect.Effect<Outcome> => {
  const { stage } = place
  const key = keyOf(place, around)
  const ready = Effect.gen(function*() {
    const recalled = yield* recall(stage, key)
    if (Option.isSome(recalled)) return completed(recalled.value)
    const inputs = inputsOf(place, around)
    if (stage.when !== undefined && !(yield* decided(stage.when(inputs)))) {
      return { status: "skipped", by: "condition", reason: "its condition was not met" } as const
    }
    place.startedAt = yield* Clock.monotonicTimeNanos
    yield* Effect.logDebug(`stage ${stage.name} started`)
    const value = yield* work(stage, inputs, around)
    yield* record(stage, key, value)
    return completed(value)
  })
  return Effect.map(
    Effect.exit(ready),
    (exit) => Exit.isSuccess(exit) ? exit.value : { status: "failed", cause: exit.cause }
  )
}

const keyOf = ({ name }: Place, { path, runId }: Surroundings): StageKey => ({
  runId,
  path: [...path, name].join("/")
})

const completed = (value: unknown): Outcome => ({ status: "completed", value })

export const decided = (answer: boolean | Effect.Effect<boolean>) =>
  Effect.isEffect(answer) ? answer : Effect.succeed(answer)

// which inputs a stage has is matched with what its functions take where it is defined
export const inputsOf = (
  { stage }: Place,
  { payload, places }: Pick<Surroundings, "payload" | "places">
): never =>
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- as said
  ({
    payload,
    ...Object.fromEntries(
      Array.from(places.values()).filter(({ name }) => stage.before.has(name)).map((place) => [
        place.name,
        seenAs(place, stage.sure.has(place.name) ? "value" : "result")
      ])
    )
  }) as never

const work = ({ executor, input, name, task }: Planned<never>, inputs: never, { path, runId }: Surroundings) => {
  const attempts = Effect.suspend(() => attempted(task, runId, input(inputs)))
  return bounded(executor === undefined ? attempts : Executor.run(executor, task.name, attempts), {
    name: `stage ${name}`,
    grace: task.grace
  }).pipe(
    below(...path.slice(-1), name),
    Effect.withSpan(`stage ${name}`, {
      attributes: {
        "ostinato.pipeline": path.join("/"),
        "ostinato.stage": name,
        "ostinato.task": task.name,
        ...(executor === undefined ? {} : { "ostinato.executor": executor.name })
      }
    })
  )
}

const told = ({ stage: { isTolerated, name } }: Place, outcome: Outcome) => {
  if (outcome.status === "completed") return Effect.logDebug(`stage ${name} completed`)
  if (outcome.status === "skipped") return Effect.logInfo(`stage ${name} skipped (${outcome.by}): ${outcome.reason}`)
  const { cause, kind, message, tag } = fromCause(outcome.cause)
  const said = `stage ${name} failed: ${tag}: ${message}`
  return Effect.annotateLogs(isTolerated && kind !== "defect" ? Effect.logWarning(said) : Effect.logError(said), {
    cause
  })
}

const recall = Effect.fnUntraced(function*({ name, task }: Planned<never>, key: StageKey) {
  const journal = yield* StageJournal
  if (journal === null) return Option.none<unknown>()
  const output = yield* Effect.orDie(Effect.retry(journal.recall(key), RetryPolicy.patient("20 seconds")))
  if (Option.isNone(output)) return output
  return yield* Effect.catch(
    Effect.asSome(Schema.decodeUnknownEffect(Schema.toCodecJson(task.success))(output.value)),
    (error) =>
      Effect.as(
        Effect.logWarning(`what stage ${name} gave before cannot be read any more, so it runs again: ${error.message}`),
        Option.none<unknown>()
      )
  )
})

const record = Effect.fnUntraced(function*({ name, task }: Planned<never>, key: StageKey, value: unknown) {
  const journal = yield* StageJournal
  if (journal === null) return
  yield* Schema.encodeEffect(Schema.toCodecJson(task.success))(value).pipe(
    Effect.flatMap((output) => Effect.retry(journal.record(key, output ?? null), RetryPolicy.patient("20 seconds"))),
    Effect.catch((error) =>
      Effect.logWarning(`what stage ${name} gave could not be kept, so a resumed run repeats it: ${error.message}`)
    )
  )
})
