/**
 * A task: a named, typed unit of work, defined once.
 *
 * The contract (name, payload, success and error Schemas, timeout, retry) is a value that producers and workers share.
 * The handler is bound apart from it by a Layer, with the services that it needs. Tasks compose into tasks: in sequence,
 * side by side, as a race or a fallback, and a composed task is started, retried and recorded like any other. What
 * starts a task and where it runs are separate choices: see `Dispatch`.
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Predicate from "effect/Predicate"
import type * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as SchemaAST from "effect/SchemaAST"
import type * as Scope from "effect/Scope"
import type { Attempt } from "./Attempt.ts"
import * as CapturedContext from "./CapturedContext.ts"
import { attempted } from "./internal/attempt.ts"
import { made } from "./internal/handles.ts"
import { logged } from "./internal/journal.ts"
import { PayloadInvalid, type TaskTimeout } from "./TaskError.ts"
import { NextRunId } from "./TaskRun.ts"

export { all, andThen, fallback, map, named, race, retry, timeout, zip } from "./internal/compose.ts"

const TypeId = "~ostinato/Task"

/**
 * A Schema whose values can be stored and sent, and that needs no service to do so.
 *
 * @category models
 */
export type Storable = Schema.Codec<unknown, unknown>

/**
 * The contract of a task. `Requires` is what must be there to run it: its handler, and for a composed task those of its
 * members.
 *
 * @category models
 */
export interface Task<
  Name extends string,
  Payload extends Storable,
  Success extends Storable,
  Error extends Storable,
  out Requires = Handler<Name>
> {
  readonly [TypeId]: typeof TypeId
  readonly name: Name
  readonly payload: Payload
  readonly success: Success
  readonly error: Error
  /** Limit of one attempt; infinite when the task has none. */
  readonly timeout: Duration.Duration
  /** How long an attempt that was asked to stop may take for its finalizers before it is abandoned. */
  readonly grace: Duration.Duration
  /** Decides from the typed error or the timeout whether, and after which delay, another attempt follows. */
  readonly retry: Schedule.Schedule<unknown, Error["Type"] | TaskTimeout> | undefined
  /** Finds the code behind the contract. */
  readonly handler: Effect.Effect<Handle<Payload, Success, Error>, never, Requires>
}

/**
 * A task whose handler is bound by a Layer.
 *
 * @category models
 */
export interface Defined<
  Name extends string,
  Payload extends Storable,
  Success extends Storable,
  Error extends Storable
> extends Task<Name, Payload, Success, Error> {
  /**
   * Binds the handler. It sees the services that are there when the Layer is built; `Scope` and `Attempt` are new for
   * every attempt, and the finalizers of that Scope end before the outcome of the attempt is recorded.
   */
  readonly toLayer: <R>(
    handler: (payload: Payload["Type"]) => Effect.Effect<Success["Type"], Error["Type"], R>
  ) => Layer.Layer<Handler<Name>, never, Exclude<R, Scope.Scope | Attempt>>
}

/**
 * The code behind a contract, ready to be called for one attempt.
 *
 * @category models
 */
export interface Handle<Payload extends Storable, Success extends Storable, Error extends Storable> {
  (payload: Payload["Type"]): Effect.Effect<Success["Type"], Error["Type"], Scope.Scope | Attempt>
}

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
 * What must be there to run a task.
 *
 * @category models
 */
export type Requires<T extends Any> = T extends Task<infer _N, infer _P, infer _S, infer _E, infer R> ? R : never

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
 * What the contract of a task may say besides its name.
 *
 * @category models
 */
export interface Options<Payload extends Schema.Struct.Fields, Success extends Storable, Error extends Storable> {
  /** Fields of the payload. Defaults to none. */
  readonly payload?: Payload | undefined
  /** Defaults to `Schema.Void`. */
  readonly success?: Success | undefined
  /** The errors that a caller may see and a retry may decide on. Defaults to `Schema.Never`. */
  readonly error?: Error | undefined
  /** Limit of one attempt. Defaults to none. */
  readonly timeout?: Duration.Input | undefined
  /** How long an attempt that was asked to stop may take for its finalizers. Defaults to `3 seconds`. */
  readonly grace?: Duration.Input | undefined
  /** Further attempts after a typed failure or a timeout. Defaults to none: a task is attempted once. */
  readonly retry?: Schedule.Schedule<unknown, NoInfer<Error["Type"]> | TaskTimeout> | undefined
}

/**
 * Defines a task whose handler a Layer binds.
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
 * await Effect.runPromise(Task.run(Greet, { name: "Ada" }).pipe(Effect.provide(GreetLive))) // => "Hello Ada"
 * ```
 */
export const make = <
  const Name extends string,
  Payload extends Schema.Struct.Fields = {},
  Success extends Storable = Schema.Void,
  Error extends Storable = Schema.Never
>(
  name: Name,
  options?: Options<Payload, Success, Error>
): Defined<Name, Schema.Struct<Payload> & Storable, Success, Error> => {
  type P = Schema.Struct<Payload> & Storable
  const handler: Context.Service<Handler<Name>, Handle<P, Success, Error>> = Context.Service(
    `ostinato/core/Task/Handler/${name}`
  )
  return {
    ...contract<Name, Payload, Success, Error, Handler<Name>>(name, options, handler),
    toLayer: <R>(handle: (payload: P["Type"]) => Effect.Effect<Success["Type"], Error["Type"], R>) =>
      Layer.effect(handler, withContext<P, Success, Error, R>(handle))
  }
}

/**
 * Defines a task together with its code, for code that needs no Layer of its own. What the code needs has to be there
 * where the task runs.
 *
 * @category constructors
 * @example
 * ```ts
 * import { Effect, Schema } from "effect"
 * import { Task } from "ostinato"
 *
 * const Double = Task.fn("docs.double", { payload: { n: Schema.Int }, success: Schema.Int }, ({ n }) =>
 *   Effect.succeed(n * 2)
 * )
 *
 * await Effect.runPromise(Task.run(Double, { n: 21 })) // => 42
 * ```
 */
export const fn = <
  const Name extends string,
  Payload extends Schema.Struct.Fields = {},
  Success extends Storable = Schema.Void,
  Error extends Storable = Schema.Never,
  R = never
>(
  name: Name,
  options: Options<Payload, Success, Error>,
  handle: (payload: Schema.Struct<Payload>["Type"]) => Effect.Effect<Success["Type"], NoInfer<Error["Type"]>, R>
): Task<Name, Schema.Struct<Payload> & Storable, Success, Error, Exclude<R, Scope.Scope | Attempt>> =>
  contract(name, options, withContext<Schema.Struct<Payload> & Storable, Success, Error, R>(handle))

/**
 * Runs a task in the calling fiber, with its retries and its timeout, and without a record: see `Dispatch.here` for one
 * that is recorded. Interruption interrupts the attempt and waits for its finalizers; a defect stays a defect.
 *
 * @category combinators
 */
export const run = <Name extends string, P extends Storable, S extends Storable, E extends Storable, R>(
  task: Task<Name, P, S, E, R>,
  payload: P["Type"]
): Effect.Effect<S["Type"], E["Type"] | TaskTimeout, R> =>
  Effect.flatMap(Effect.flatten(NextRunId), (id) => attempted(task, id, payload))

/**
 * Reads a payload that came as JSON, e.g. from a command line. What does not fit is named by its path, without its value,
 * which may be a secret.
 *
 * @category decoding
 */
export const decodePayload = <T extends Any>(
  task: T,
  json: unknown
): Effect.Effect<T["payload"]["Type"], PayloadInvalid> =>
  // a struct without fields would take any value
  (Array.isArray(json) ? SchemaAST.isArrays(task.payload.ast) : Predicate.isObject(json))
    ? Effect.mapError(
      Schema.decodeUnknownEffect(Schema.toCodecJson(task.payload), { errors: "all" })(json),
      (error) => new PayloadInvalid({ task: task.name, detail: error.message })
    )
    : Effect.fail(new PayloadInvalid({ task: task.name, detail: "it is no JSON object" }))

/**
 * Whether a value is a task.
 *
 * @category guards
 */
export const isTask = (value: unknown): value is Any => typeof value === "object" && value !== null && TypeId in value

const contract = <
  Name extends string,
  Payload extends Schema.Struct.Fields,
  Success extends Storable,
  Error extends Storable,
  R
>(
  name: Name,
  options: Options<Payload, Success, Error> | undefined,
  handler: Effect.Effect<Handle<Schema.Struct<Payload> & Storable, Success, Error>, never, R>
): Task<Name, Schema.Struct<Payload> & Storable, Success, Error, R> => ({
  [TypeId]: TypeId,
  name,
  // the defaults of the type parameters say what an absent option means, which the compiler cannot follow
  // oxlint-disable typescript/no-unsafe-type-assertion -- as said
  payload: Schema.Struct(options?.payload ?? {}) as unknown as Schema.Struct<Payload> & Storable,
  success: (options?.success ?? Schema.Void) as Success,
  error: (options?.error ?? Schema.Never) as Error,
  // oxlint-enable typescript/no-unsafe-type-assertion
  timeout: options?.timeout === undefined ? Duration.infinity : Duration.fromInputUnsafe(options.timeout),
  grace: Duration.fromInputUnsafe(options?.grace ?? "3 seconds"),
  retry: options?.retry,
  handler
})

const withContext = <P extends Storable, S extends Storable, E extends Storable, R>(
  handle: (payload: P["Type"]) => Effect.Effect<S["Type"], E["Type"], R>
): Effect.Effect<Handle<P, S, E>, never, Exclude<R, Scope.Scope | Attempt>> =>
  Effect.map(
    CapturedContext.make<Exclude<R, Scope.Scope | Attempt>>(),
    (captured): Handle<P, S, E> => {
      // the loggers of the handler's Layer take the place of those of the run; and what is left of R is exactly the
      // attempt's own Scope and Attempt, which types cannot say
      const bound: Handle<P, S, E> = (payload) =>
        // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- as said
        Effect.provideContext(logged(Effect.suspend(() => handle(payload))), captured) as ReturnType<Handle<P, S, E>>
      return made(bound, captured, handle)
    }
  )
