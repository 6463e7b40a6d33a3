/**
 * What a task's Schemas call `Redacted` is shown to nobody: payloads, values and errors of its jobs and runs have
 * `<redacted>` in its place, in the API as on the command line. What is stored is as the Schema encodes it.
 *
 * Only tasks that the application offers as jobs are known here. Where what is stored cannot be read by a Schema that has
 * such a field, for instance because an older version wrote it, the whole of it is hidden.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import type { Any, Storable } from "../core/Task.ts"
import { TaskRun } from "../core/TaskRun.ts"
import { Job, type JobFailure } from "../jobs/Job.ts"

/** Hides parts of what a task was given, gave, or failed with. */
type Hide = (task: string, part: "payload" | "success" | "error", json: Schema.Json) => Effect.Effect<Schema.Json>

/**
 * What is hidden. Defaults to nothing.
 *
 * @category references
 */
export class Redaction extends Context.Reference<Hide>("ostinato/service/Redaction", {
  defaultValue: (): Hide => (_, __, json) => Effect.succeed(json)
}) {}

/**
 * Hides what these tasks call `Redacted`.
 *
 * @category constructors
 */
export const of = (tasks: ReadonlyArray<Any>): Hide => {
  const hiding = new Map(
    tasks.flatMap((task) =>
      (["payload", "success", "error"] as const)
        .filter((part) => mayHold(task[part]))
        .map((part) => [`${part} ${task.name}`, hiderOf(task[part])] as const)
    )
  )
  return (task, part, json) => hiding.get(`${part} ${task}`)?.(json) ?? Effect.succeed(json)
}

/**
 * The job as it may be shown.
 *
 * @category combinators
 */
export const job = (job: Job): Effect.Effect<Job> =>
  Effect.gen(function*() {
    const hide = yield* Redaction
    const payload = yield* hide(job.task, "payload", job.payload)
    const output = job.output === null ? null : yield* hide(job.task, "success", job.output)
    const failure = job.failure === null ? null : yield* failureOf(hide, job.task, job.failure)
    return payload === job.payload && output === job.output && failure === job.failure
      ? job
      // its fields, in another instance
      // oxlint-disable-next-line typescript/no-misused-spread -- as said
      : new Job({ ...job, payload, output, failure })
  })

/**
 * The run as it may be shown.
 *
 * @category combinators
 */
export const run = (run: TaskRun): Effect.Effect<TaskRun> =>
  Effect.gen(function*() {
    const hide = yield* Redaction
    const payload = yield* hide(run.task, "payload", run.payload)
    const output = run.output === null ? null : yield* hide(run.task, "success", run.output)
    return payload === run.payload && output === run.output
      ? run
      // its fields, in another instance
      // oxlint-disable-next-line typescript/no-misused-spread -- as said
      : new TaskRun({ ...run, payload, output })
  })

/**
 * The failure of an attempt as it may be shown.
 *
 * @category combinators
 */
export const failure = (task: string, failure: JobFailure): Effect.Effect<JobFailure> =>
  Effect.flatMap(Redaction, (hide) => failureOf(hide, task, failure))

const failureOf = (hide: Hide, task: string, failure: JobFailure): Effect.Effect<JobFailure> =>
  failure.error === undefined
    ? Effect.succeed(failure)
    : Effect.map(
      hide(task, "error", failure.error),
      (error) => error === failure.error ? failure : { ...failure, error }
    )

const hidden = "<redacted>"

const hiderOf = (schema: Storable) => {
  const decode = Schema.decodeUnknownEffect(Schema.toCodecJson(schema))
  return (json: Schema.Json): Effect.Effect<Schema.Json> =>
    json === null
      ? Effect.succeed(json)
      : Effect.map(
        Effect.option(Effect.suspend(() => decode(json))),
        Option.match({ onNone: () => hidden, onSome: (value) => without(json, value) })
      )
}

/** The stored form without what is redacted in the value that it stands for. */
const without = (json: Schema.Json, value: unknown): Schema.Json => {
  if (Redacted.isRedacted(value)) return hidden
  if (Array.isArray(json) && Array.isArray(value) && json.length === value.length) {
    return json.map((item, n) => without(item, value[n]))
  }
  if (isRecord(json) && Predicate.isObject(value) && Object.keys(json).every((key) => key in value)) {
    return Object.fromEntries(
      Object.entries(json).map((
        [key, item]
      ) => [key, Predicate.hasProperty(value, key) ? without(item, value[key]) : item])
    )
  }
  // the one does not look like the other
  return holds(value, 8) ? hidden : json
}

const isRecord = (json: Schema.Json): json is { readonly [key: string]: Schema.Json } =>
  typeof json === "object" && json !== null && !Array.isArray(json)

/** Whether something redacted is in a value, or may be deeper in it. */
const holds = (value: unknown, depth: number): boolean =>
  Redacted.isRedacted(value) ||
  typeof value === "object" && value !== null &&
    (depth === 0 || Object.values(value).some((part) => holds(part, depth - 1)))

/** Whether a Schema has a part that is redacted, wherever that is. */
const mayHold = (schema: Storable): boolean => {
  const seen = new Set<unknown>()
  const search = (node: unknown): boolean => {
    if (typeof node !== "object" || node === null || seen.has(node)) return false
    seen.add(node)
    if (Predicate.hasProperty(node, "id") && node.id === "effect/schema/Redacted") return true
    if (Predicate.hasProperty(node, "_tag") && node._tag === "Suspend") return true
    return Object.values(node).some(search)
  }
  return search(schema.ast)
}
