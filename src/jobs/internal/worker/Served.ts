/**
 * A task that a worker serves: its handler found, its Schemas compiled once, and its limits as numbers.
 */
import type * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Logger from "effect/Logger"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import type * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as SchemaAST from "effect/SchemaAST"
import * as AttemptRunner from "../../../core/AttemptRunner.ts"
import type { Any, Storable, Task } from "../../../core/Task.ts"
import { TaskError } from "../../../core/TaskError.ts"
import type { Claimed } from "../../JobStore.ts"
import * as PayloadVersion from "../../PayloadVersion.ts"
import { immediate } from "../immediate.ts"
import * as flatPayload from "../payload/flatPayload.ts"

/** What becomes of a job after a failure. */
export type Decision = "retry" | "discard" | { readonly snooze: Duration.Input }

/** What a worker may be told about a task besides its contract. */
export interface Manners {
  readonly onError?: ((error: never, job: Claimed) => Decision) | undefined
  readonly retryDefects?: Schedule.Schedule<unknown> | undefined
}

type Parsed<A> = Effect.Effect<A, Schema.SchemaError>

export interface Served {
  readonly name: string
  readonly ready: AttemptRunner.Ready
  readonly decode: (payload: Schema.Json, version: number) => Effect.Effect<unknown, string>
  /** Undefined: there is nothing to keep. */
  readonly encode: (value: unknown) => Effect.Effect<Schema.Json | undefined, string>
  readonly encodeError: (error: unknown) => Effect.Effect<Schema.Json, unknown>
  /** Milliseconds; -1 for no limit. */
  readonly timeoutMs: number
  readonly graceMs: number
  readonly retry: Schedule.Schedule<unknown> | undefined
  readonly manners: Manners
}

export const make = <Name extends string, P extends Storable, S extends Storable, E extends Storable, R>(
  task: Task<Name, P, S, E, R>,
  manners: Manners,
  base: Context.Context<never>,
  logger: Logger.Logger<unknown, void>
): Effect.Effect<Served, never, R> =>
  Effect.map(AttemptRunner.make(task, base, logger), (ready) => ({
    name: task.name,
    ready,
    decode: decoder(task),
    encode: encoder(task.success),
    encodeError: Schema.encodeUnknownEffect(Schema.toCodecJson(Schema.Union([task.error, TaskError]))),
    timeoutMs: Duration.isFinite(task.timeout) ? Duration.toMillis(task.timeout) : -1,
    graceMs: Duration.isFinite(task.grace) ? Duration.toMillis(task.grace) : -1,
    retry: task.retry,
    manners
  }))

const decoder = (task: Any) => {
  const codec = Schema.toCodecJson(task.payload)
  const decode: (json: unknown) => Parsed<unknown> = Schema.decodeUnknownEffect(codec)
  const flat = flatPayload.reader(codec.ast)
  const isList = SchemaAST.isArrays(task.payload.ast)
  const newest = PayloadVersion.versionOf(task)
  const read = (json: Schema.Json): Effect.Effect<unknown, string> => {
    const copy = flat?.(json)
    if (copy !== undefined) return Exit.succeed(copy)
    // a struct without fields would take any value
    if (!(Array.isArray(json) ? isList : Predicate.isObject(json))) return Effect.fail("it is no JSON object")
    return worded(decode(json))
  }
  return (json: Schema.Json, version: number): Effect.Effect<unknown, string> => {
    if (version === newest) return read(json)
    const current = PayloadVersion.upcast(task, version, json)
    return Result.isSuccess(current) ? read(current.success) : Effect.fail(current.failure.detail)
  }
}

const encoder = (schema: Storable) => {
  const encode: (value: unknown) => Parsed<Schema.Json> = Schema.encodeUnknownEffect(Schema.toCodecJson(schema))
  const isVoid = SchemaAST.isVoid(schema.ast) || SchemaAST.isUndefined(schema.ast)
  return (value: unknown): Effect.Effect<Schema.Json | undefined, string> =>
    isVoid && value === undefined
      ? nothing
      : worded(Effect.suspend(() => encode(value)))
}

const nothing = Exit.succeed(undefined)

const worded = <A>(parsed: Parsed<A>): Effect.Effect<A, string> => {
  const plain = immediate(parsed)
  return plain === undefined ? Effect.mapError(parsed, (error) => error.message) : Exit.succeed(plain.value)
}
