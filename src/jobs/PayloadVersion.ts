/**
 * Payloads that change their shape while jobs wait: each job keeps the version of its payload, and what a newer version of
 * the code reads is brought up to date first, one version after the other.
 *
 * A job whose payload is newer than the code, or has no way up, is not failed by it: its worker keeps it, unspent, for a
 * process that can read it.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type * as Schema from "effect/Schema"
import { type Any, decodePayload } from "../core/Task.ts"
import { fromCause, PayloadInvalid } from "../core/TaskError.ts"

const TypeId = "~ostinato/jobs/PayloadVersion"

/**
 * Makes a payload of one version out of that of the version before it, both in their JSON form.
 *
 * @category models
 */
export interface Upcaster {
  (json: Schema.Json): Schema.Json
}

/**
 * The version of a task's payload, and the ways that lead up to it.
 *
 * @category models
 */
export interface Versions {
  /** Of the payloads that the task takes now. */
  readonly version: number
  /** By the version that each takes: `1` makes payloads of version 2. */
  readonly from: { readonly [version: number]: Upcaster }
}

/**
 * The same task with a version of its payload. Give it to queue and worker instead of the task. Jobs that were enqueued
 * without a version have version 1.
 *
 * @category constructors
 * @example
 * ```ts
 * import { Effect, Schema } from "effect"
 * import { Task } from "ostinato"
 * import { PayloadVersion } from "ostinato/jobs"
 *
 * const Sync = PayloadVersion.of(
 *   Task.make("docs.sync", { payload: { platforms: Schema.Array(Schema.String) } }),
 *   { version: 2, from: { 1: (json) => ({ platforms: [(json as { platform: string }).platform] }) } }
 * )
 *
 * const payload = await Effect.runPromise(PayloadVersion.decode(Sync, 1, { platform: "github" }))
 * payload.platforms // => ["github"]
 * ```
 */
export const of = <T extends Any>(task: T, versions: Versions): T => ({ ...task, [TypeId]: versions })

/**
 * The version of the payloads that a task takes now: `1` unless it says otherwise.
 *
 * @category combinators
 */
export const versionOf = (task: Any): number => versionsOf(task).version

/**
 * Brings a payload of an older version up to date.
 *
 * @category decoding
 */
export const upcast = (
  task: Any,
  version: number,
  json: Schema.Json
): Result.Result<Schema.Json, PayloadInvalid> => {
  const versions = versionsOf(task)
  const fail = (detail: string) => Result.fail(new PayloadInvalid({ task: task.name, detail }))
  if (version > versions.version) {
    return fail(`it has version ${version}, and this process knows ${versions.version} as the newest: deploy it anew`)
  }
  let current = json
  for (let at = version; at < versions.version; at++) {
    const step = Object.hasOwn(versions.from, at) ? versions.from[at] : undefined
    if (step === undefined) {
      return fail(`it has version ${version}, and nothing makes version ${at + 1} of version ${at}`)
    }
    const before = current
    const next = Result.try({ try: () => step(before), catch: (error) => fromCause(Cause.fail(error)).message })
    if (Result.isFailure(next)) return fail(`version ${at + 1} could not be made of version ${at}: ${next.failure}`)
    current = next.success
  }
  return Result.succeed(current)
}

/**
 * Reads a stored payload of any version.
 *
 * @category decoding
 */
export const decode = <T extends Any>(
  task: T,
  version: number,
  json: Schema.Json
): Effect.Effect<T["payload"]["Type"], PayloadInvalid> =>
  Effect.flatMap(Effect.fromResult(upcast(task, version, json)), (current) => decodePayload(task, current))

const first: Versions = { version: 1, from: {} }

const versionsOf = (task: Any): Versions =>
  TypeId in task
    // only `of` sets it
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- as said
    ? task[TypeId] as Versions
    : first
