/**
 * A task: a named, typed unit of work, defined once.
 *
 * The contract (name, payload, success and error Schemas, timeout, retry) is a value that producers and workers share.
 * The handler is bound apart from it by a Layer, with the services that it needs. What starts a task and where it runs
 * are separate choices: see `Dispatch`.
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Predicate from "effect/Predicate"
import type * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as CapturedContext from "./CapturedContext.ts"
import { PayloadInvalid } from "./TaskError.ts"
import type { RunId } from "./TaskRun.ts"

const TypeId = "~ostinato/Task"

/**
 * A Schema whose values can be stored and sent, and that needs no service to do so.
 *
 * @category models
 */
export type Storable = Schema.Codec<unknown, unknown>

/**
 * The contract of a task.
 *
 * @category models
 */
export interface Task<Name extends string, Payload extends Storable, Success extends Storable, Error extends Storable> {
  readonly [TypeId]: typeof TypeId
  readonly name: Name
  readonly payload: Payload
  readonly success: Success
  readonly error: Error
  /** Limit of one attempt; infinite when the task has none. */
  readonly timeout: Duration.Duration
  /** Decides from the typed error whether, and after which delay, another attempt follows. */
  readonly retry: Schedule.Schedule<unknown, Error["Type"]> | undefined
  /** The key under which the handler is found. */
  readonly handler: Context.Service<Handler<Name>, (payload: Payload["Type"]) => Attempted<Success, Error>>
  /**
   * Binds the handler. It sees the services that are there when the Layer is built; `Scope` and `Attempt` are new for
   * every attempt, and the finalizers of that Scope end before the outcome of the attempt is recorded.
   */
  readonly toLayer: <R>(
    handler: (payload: Payload["Type"]) => Effect.Effect<Success["Type"], Error["Type"], R>
  ) => Layer.Layer<Handler<Name>, never, Exclude<R, Scope.Scope | Attempt>>
}

type Attempted<Success extends Storable, Error extends Storable> = Effect.Effect<
  Success["Type"],
  Error["Type"],
  Scope.Scope | Attempt
>

/**
 * A task of any type.
 *
 * @category models
 */
export interface Any {
  readonly [TypeId]: typeof TypeId
  readonly name: string
  readonly payload: Storable
  readonly success: Storable
  readonly error: Storable
}

/**
 * Stands in `R` for the handler of the task with this name.
 *
 * @category models
 */
export interface Handler<in out Name extends string> {
  readonly _: unique symbol
  readonly name: Name
}

/**
 * The attempt that a handler is executing.
 *
 * @category services
 */
export class Attempt extends Context.Service<Attempt, {
  readonly runId: RunId
  readonly task: string
  /** 1-based. */
  readonly number: number
}>()("ostinato/core/Task/Attempt") {}

/**
 * Defines a task.
 *
 * @category constructors
 * @example
 * ```ts
 * import { Effect, Schema } from "effect"
 * import { Task } from "ostinato"
 *
 * const Greet = Task.make("docs.greet", { payload: { name: Schema.String }, success: Schema.String })
 * const GreetLive = Greet.toLayer(({ name }) => Effect.succeed(`Hello ${name}`))
 *
 * Greet.name // => "docs.greet"
 * ```
 */
export const make = <
  const Name extends string,
  Payload extends Schema.Struct.Fields = {},
  Success extends Storable = Schema.Void,
  Error extends Storable = Schema.Never
>(name: Name, options?: {
  /** Fields of the payload. Defaults to none. */
  readonly payload?: Payload
  /** Defaults to `Schema.Void`. */
  readonly success?: Success
  /** The errors that a caller may see and a retry may decide on. Defaults to `Schema.Never`. */
  readonly error?: Error
  /** Limit of one attempt. Defaults to none. */
  readonly timeout?: Duration.Input
  /** Further attempts after a typed failure. Defaults to none: a task is attempted once. */
  readonly retry?: Schedule.Schedule<unknown, NoInfer<Error["Type"]>>
}): Task<Name, Schema.Struct<Payload> & Storable, Success, Error> => {
  type Contract = Task<Name, Schema.Struct<Payload> & Storable, Success, Error>
  const handler: Contract["handler"] = Context.Service(`ostinato/core/Task/Handler/${name}`)
  return {
    [TypeId]: TypeId,
    name,
    // the defaults of the type parameters say what an absent option means, which the compiler cannot follow
    // oxlint-disable typescript/no-unsafe-type-assertion -- as said
    payload: Schema.Struct(options?.payload ?? {}) as unknown as Contract["payload"],
    success: (options?.success ?? Schema.Void) as Success,
    error: (options?.error ?? Schema.Never) as Error,
    // oxlint-enable typescript/no-unsafe-type-assertion
    timeout: options?.timeout === undefined ? Duration.infinity : Duration.fromInputUnsafe(options.timeout),
    retry: options?.retry,
    handler,
    toLayer: <R>(
      handle: (payload: Contract["payload"]["Type"]) => Effect.Effect<Success["Type"], Error["Type"], R>
    ) =>
      Layer.effect(
        handler,
        Effect.map(
          CapturedContext.make<Exclude<R, Scope.Scope | Attempt>>(),
          (captured) => (payload: Contract["payload"]["Type"]) =>
            // what is left of R is exactly the attempt's own Scope and Attempt, which types cannot say
            // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- as said
            Effect.provideContext(handle(payload), captured) as Attempted<Success, Error>
        )
      )
  }
}

/**
 * Reads a payload that came as JSON, e.g. from a command line.
 *
 * @category decoding
 */
export const decodePayload = <T extends Any>(
  task: T,
  json: unknown
): Effect.Effect<T["payload"]["Type"], PayloadInvalid> =>
  // a struct without fields would take any value
  Predicate.isObject(json)
    ? Effect.mapError(
      Schema.decodeUnknownEffect(Schema.toCodecJson(task.payload))(json),
      (error) => new PayloadInvalid({ task: task.name, detail: error.message })
    )
    : Effect.fail(new PayloadInvalid({ task: task.name, detail: "it is no JSON object" }))

/**
 * Whether a value is a task.
 *
 * @category guards
 */
export const isTask = (value: unknown): value is Any => typeof value === "object" && value !== null && TypeId in value
