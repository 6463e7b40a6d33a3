/**
 * A task for another thread: code named by its module and export, with a typed contract.
 *
 * A function cannot travel to another thread, so a task says where its code is, and only data goes there and back. What
 * travels is the encoded form of the Schemas, and the compiler refuses a Schema whose encoded form cannot be cloned. The
 * code itself needs nothing of this library, not even Effect: a thread that loads neither starts in a few hundredths of a
 * second, which is also how fast a killed one is replaced.
 */
import * as Schema from "effect/Schema"

const TypeId = "~ostinato/ThreadTask"

/**
 * What can be cloned into another thread, or shared with it.
 *
 * @category models
 */
export type Cloneable =
  | string
  | number
  | boolean
  | bigint
  | null
  | undefined
  | void
  | Date
  | ArrayBuffer
  | SharedArrayBuffer
  | ArrayBufferView
  | ReadonlyArray<Cloneable>
  | ReadonlyMap<Cloneable, Cloneable>
  | ReadonlySet<Cloneable>
  | { readonly [key: string]: Cloneable }

/**
 * A Schema whose encoded form can travel, and that needs no service. For buffers that move instead of being copied:
 * `effect/workers/Transferable`.
 *
 * @category models
 */
export type Travelling = Schema.Codec<unknown, Cloneable>

/**
 * The contract of a task for another thread.
 *
 * @category models
 */
export interface ThreadTask<Payload extends Travelling, Success extends Travelling, Error extends Travelling> {
  readonly [TypeId]: typeof TypeId
  readonly name: string
  /** URL of the module. */
  readonly module: string
  /** Name of the export: a function. */
  readonly export: string
  readonly payload: Payload
  readonly success: Success
  readonly error: Error
}

/**
 * A task of any type.
 *
 * @category models
 */
export type Any = ThreadTask<Travelling, Travelling, Travelling>

/**
 * What the code of a task knows besides its payload.
 *
 * @category models
 */
export interface Context {
  /** Aborted when the task is to stop. Code that never lets its event loop turn does not see it: see `isStopped`. */
  readonly signal: AbortSignal
  /** Whether the task is to stop, for loops that never wait. In a child process it changes only when the event loop turns. */
  readonly isStopped: () => boolean
  /** Of the thread that runs the code, as in `node:worker_threads`; 0 is the main thread of a process. */
  readonly threadId: number
  /** The configuration of the pool: a clone, frozen to the bottom. */
  readonly config: Schema.Json
  /** Moves buffers of the result instead of copying them. */
  readonly transfer: (...buffers: ReadonlyArray<ArrayBuffer>) => void
}

/**
 * The type of the code behind a contract, to declare the export with: a module that imports its own contract as a type
 * loads nothing.
 *
 * The code gives a value, a promise or an `Effect` that needs no service. What it throws, or an Effect fails with, is the
 * declared error where it fits that Schema in its encoded form, and otherwise a defect.
 *
 * @category models
 */
export type Code<T extends Any> = (
  payload: T["payload"]["Encoded"],
  context: Context
) => T["success"]["Encoded"] | PromiseLike<T["success"]["Encoded"]> | EffectLike

/**
 * An `Effect`, without naming its module.
 *
 * @category models
 */
export interface EffectLike {
  readonly "~effect/Effect": unknown
}

/**
 * Declares a task for another thread.
 *
 * The module is found from source and from a build: where `hash.ts` does not exist, `hash.js` beside it is taken, and the
 * reverse.
 *
 * @category constructors
 * @example
 * ```ts
 * import { Schema } from "effect"
 * import { ThreadTask } from "ostinato"
 *
 * export const Hash = ThreadTask.make("docs.hash", {
 *   module: new URL("./hash.js", import.meta.url),
 *   export: "hash",
 *   payload: { text: Schema.String },
 *   success: Schema.String
 * })
 *
 * // hash.ts: export const hash: ThreadTask.Code<typeof Hash> = ({ text }) => createHash("sha256").update(text).digest("hex")
 * ```
 */
export const make = <
  Payload extends Schema.Struct.Fields = {},
  Success extends Travelling = Schema.Void,
  Error extends Travelling = Schema.Never
>(
  name: string,
  options: {
    readonly module: URL
    /** Defaults to `default`. */
    readonly export?: string | undefined
    /** Fields of the payload. Defaults to none. */
    readonly payload?: (Payload & Checked<Payload>) | undefined
    /** Defaults to `Schema.Void`. */
    readonly success?: Success | undefined
    /** The errors that the code throws on purpose, in their encoded form. Defaults to `Schema.Never`. */
    readonly error?: Error | undefined
  }
): ThreadTask<Schema.Struct<Payload> & Travelling, Success, Error> => ({
  [TypeId]: TypeId,
  name,
  module: options.module.href,
  export: options.export ?? "default",
  // the defaults of the type parameters say what an absent option means, which the compiler cannot follow
  // oxlint-disable typescript/no-unsafe-type-assertion -- as said
  payload: Schema.Struct(options.payload ?? {}) as unknown as Schema.Struct<Payload> & Travelling,
  success: (options.success ?? Schema.Void) as Success,
  error: (options.error ?? Schema.Never) as Error
  // oxlint-enable typescript/no-unsafe-type-assertion
})

/** Fields that are not `Travelling` have the type `never`, so that the compiler names them. */
type Checked<Payload extends Schema.Struct.Fields> = {
  readonly [Key in keyof Payload]: Payload[Key] extends Travelling ? unknown : never
}

/**
 * Whether a value is a task for another thread.
 *
 * @category guards
 */
export const isThreadTask = (value: unknown): value is Any =>
  typeof value === "object" && value !== null && TypeId in value
