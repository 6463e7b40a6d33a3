/**
 * Tasks made of tasks. A composed task is a contract like any other; its handler runs its members in the same run, each
 * with the attempts, the timeout and the retry policy of its own.
 *
 * A member that is interrupted (the loser of a race, the sibling of a failure) has ended, or has used up its grace,
 * before the composed task goes on.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Record from "effect/Record"
import * as Result from "effect/Result"
import type * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { Attempt, report } from "../Attempt.ts"
import type { Any, Handle, Requires, Storable, Task } from "../Task.ts"
import { fromCause, settle, TaskError, TaskTimeout } from "../TaskError.ts"
import { attempted, resolved } from "./attempt.ts"
import { bounded, graceAround } from "./bounded.ts"
import { below } from "./path.ts"

/**
 * Changes the value of a task. The mapped task keeps everything else: payload, errors, timeout, retry.
 *
 * @category combinators
 */
export const map = <
  Name extends string,
  P extends Storable,
  S extends Storable,
  E extends Storable,
  R,
  S2 extends Storable
>(
  self: Task<Name, P, S, E, R>,
  /** The Schema of the new value. */
  success: S2,
  f: (value: S["Type"]) => S2["Type"]
): Task<`map(${Name})`, P, S2, E, R> => ({
  ...self,
  name: `map(${self.name})`,
  success,
  handler: Effect.map(self.handler, (handle) => (payload) => Effect.map(handle(payload), f))
})

/**
 * One task, then another that is given the value of the first as its payload. A failure of the first skips the second
 * and keeps its type.
 *
 * @category combinators
 * @example
 * ```ts
 * import { Effect, Schema } from "effect"
 * import { Task } from "ostinato"
 *
 * const Count = Task.fn("docs.count", { payload: { text: Schema.String }, success: Schema.Struct({ n: Schema.Int }) },
 *   ({ text }) => Effect.succeed({ n: text.length }))
 * const Double = Task.fn("docs.double", { payload: { n: Schema.Int }, success: Schema.Int }, ({ n }) =>
 *   Effect.succeed(n * 2))
 *
 * await Effect.runPromise(Task.run(Task.andThen(Count, Double), { text: "four" })) // => 8
 * ```
 */
export const andThen = <
  Name extends string,
  P extends Storable,
  S extends Storable,
  E extends Storable,
  R,
  Name2 extends string,
  P2 extends Storable,
  S2 extends Storable,
  E2 extends Storable,
  R2
>(
  first: Task<Name, P, S, E, R> & { readonly success: Storable & { readonly Type: P2["Type"] } },
  second: Task<Name2, P2, S2, E2, R2>
): Task<`${Name} > ${Name2}`, P, S2, Failing<readonly [E, E2]>, R | R2> =>
  compose(`${first.name} > ${second.name}`, [first, second], {
    payload: first.payload,
    success: second.success,
    error: failing(first.error, second.error),
    handler: Effect.zipWith(
      resolved(first),
      resolved(second),
      (first, second) => (payload) => Effect.flatMap(member("1", first, payload), (value) => member("2", second, value))
    )
  })

/**
 * Two tasks side by side. Each is given its own part of the payload, and a failure of one interrupts the other.
 *
 * @category combinators
 */
export const zip = <
  Name extends string,
  P extends Storable,
  S extends Storable,
  E extends Storable,
  R,
  Name2 extends string,
  P2 extends Storable,
  S2 extends Storable,
  E2 extends Storable,
  R2
>(
  left: Task<Name, P, S, E, R>,
  right: Task<Name2, P2, S2, E2, R2>
): Task<
  `${Name} & ${Name2}`,
  Pair<P, P2>,
  Pair<S, S2>,
  Failing<readonly [E, E2]>,
  R | R2
> =>
  compose(`${left.name} & ${right.name}`, [left, right], {
    payload: pair(left.payload, right.payload),
    success: pair(left.success, right.success),
    error: failing(left.error, right.error),
    handler: Effect.zipWith(
      resolved(left),
      resolved(right),
      (left, right) => ([first, second]) =>
        Effect.all([member("1", left, first), member("2", right, second)], { concurrency: "unbounded" })
    )
  })

/**
 * The first of two tasks that succeeds with the same payload; the other one is interrupted. Fails when both do.
 *
 * @category combinators
 */
export const race = <
  Name extends string,
  P extends Storable,
  S extends Storable,
  E extends Storable,
  R,
  Name2 extends string,
  P2 extends Storable,
  S2 extends Storable,
  E2 extends Storable,
  R2
>(
  self: Task<Name, P, S, E, R> & { readonly payload: Storable & { readonly Type: P2["Type"] } },
  that: Task<Name2, P2, S2, E2, R2>
): Task<`${Name} | ${Name2}`, P, Schema.Union<readonly [S, S2]>, Failing<readonly [E, E2]>, R | R2> =>
  compose(`${self.name} | ${that.name}`, [self, that], {
    payload: self.payload,
    success: Schema.Union([self.success, that.success]),
    error: failing(self.error, that.error),
    handler: Effect.zipWith(
      resolved(self),
      resolved(that),
      (self, that) => (payload) => Effect.race(member("1", self, payload), member("2", that, payload))
    )
  })

/**
 * A second task with the same payload where the first one fails. Defects and interruption are no failures.
 *
 * @category combinators
 */
export const fallback = <
  Name extends string,
  P extends Storable,
  S extends Storable,
  E extends Storable,
  R,
  Name2 extends string,
  P2 extends Storable,
  S2 extends Storable,
  E2 extends Storable,
  R2
>(
  self: Task<Name, P, S, E, R> & { readonly payload: Storable & { readonly Type: P2["Type"] } },
  that: Task<Name2, P2, S2, E2, R2>
): Task<`${Name} or ${Name2}`, P, Schema.Union<readonly [S, S2]>, Failing<readonly [E2]>, R | R2> =>
  compose(`${self.name} or ${that.name}`, [self, that], {
    payload: self.payload,
    success: Schema.Union([self.success, that.success]),
    error: failing(that.error),
    handler: Effect.zipWith(
      resolved(self),
      resolved(that),
      (self, that) => (payload) => Effect.catch(member("1", self, payload), () => member("2", that, payload))
    )
  })

/**
 * Many tasks side by side, by name; payload and value are structs with the same keys.
 *
 * With mode `failFast` the first failure interrupts the others and is the failure of the whole. With `collect` all run
 * to their end and the value holds a `Result` for each: its value, its own error, or one of `TaskError` (a defect too).
 * Each failure is logged, and the run is recorded as `partial` where some failed.
 *
 * @category combinators
 * @example
 * ```ts
 * import { Effect, Result, Schema } from "effect"
 * import { Task } from "ostinato"
 *
 * const Odd = Task.fn("docs.odd", { payload: { n: Schema.Int }, success: Schema.Int, error: Schema.String },
 *   ({ n }) => n % 2 === 1 ? Effect.succeed(n) : Effect.fail(`${n} is even`))
 * const Both = Task.all({ a: Odd, b: Odd }, { mode: "collect" })
 *
 * const both = await Effect.runPromise(Task.run(Both, { a: { n: 1 }, b: { n: 2 } }))
 * both.a // => Result.succeed(1)
 * both.b // => Result.fail("2 is even")
 * ```
 */
export const all: {
  <const Members extends Record<string, Any>>(members: Members, options: {
    readonly mode: "collect"
    /** Defaults to all at once. */
    readonly concurrency?: number | undefined
    /** Defaults to the names of the members. */
    readonly name?: string | undefined
  }): Task<string, Payloads<Members>, Results<Members>, Schema.Never, RequiresOf<Members>>
  <const Members extends Record<string, Any>>(members: Members, options?: {
    /** Defaults to `failFast`. */
    readonly mode?: "failFast" | undefined
    /** Defaults to all at once. */
    readonly concurrency?: number | undefined
    /** Defaults to the names of the members. */
    readonly name?: string | undefined
  }): Task<string, Payloads<Members>, Values<Members>, Errors<Members>, RequiresOf<Members>>
} = (
  members: Record<string, Task<string, Storable, Storable, Storable, never>>,
  options?: {
    readonly mode?: "failFast" | "collect" | undefined
    readonly concurrency?: number | undefined
    readonly name?: string | undefined
  }
): never => {
  const collect = options?.mode === "collect"
  const concurrency = options?.concurrency ?? "unbounded"
  const tasks = Object.values(members)
  const name = options?.name ?? tasks.map((task) => task.name).join(" & ")
  const run = (key: string, task: Task<string, Storable, Storable, Storable, never>, payload: unknown) => {
    const work = member(key, task, payload)
    return collect ? collected(key, task.name, work) : work
  }
  const composed = {
    ...tasks[0],
    name,
    payload: Schema.Struct(Record.map(members, (task) => task.payload)),
    success: Schema.Struct(
      Record.map(
        members,
        (task): Storable => collect ? Schema.Result(task.success, Schema.Union([task.error, TaskError])) : task.success
      )
    ),
    error: collect ? Schema.Never : failing(...tasks.map((task) => task.error)),
    timeout: Duration.infinity,
    grace: graceAround(tasks),
    retry: undefined,
    handler: Effect.map(
      Effect.all(Record.map(members, resolved)),
      (resolved) => (payload: Readonly<Record<string, unknown>>) =>
        Effect.all(
          Record.map(resolved, (task, key) => run(key, task, payload[key])),
          { concurrency }
        ).pipe(Effect.tap((values) => collect ? told(values) : Effect.void))
    )
  }
  // the overloads say what the keys of the record lead to, which the compiler cannot follow through a mapping
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- as said
  return composed as never
}

/**
 * The same task under another name: that of its runs, metrics and spans.
 *
 * @category combinators
 */
export const named = <P extends Storable, S extends Storable, E extends Storable, R, Name extends string>(
  self: Task<string, P, S, E, R>,
  name: Name
): Task<Name, P, S, E, R> => ({ ...self, name })

/**
 * The same task with another limit for one attempt.
 *
 * @category combinators
 */
export const timeout = <Name extends string, P extends Storable, S extends Storable, E extends Storable, R>(
  self: Task<Name, P, S, E, R>,
  limit: Duration.Input
): Task<Name, P, S, E, R> => ({ ...self, timeout: Duration.fromInputUnsafe(limit) })

/**
 * The same task with another policy of further attempts.
 *
 * @category combinators
 */
export const retry = <Name extends string, P extends Storable, S extends Storable, E extends Storable, R>(
  self: Task<Name, P, S, E, R>,
  policy: Schedule.Schedule<unknown, NoInfer<E["Type"]> | TaskTimeout>
): Task<Name, P, S, E, R> => ({ ...self, retry: policy })

type Pair<A extends Storable, B extends Storable> = Schema.Codec<
  readonly [A["Type"], B["Type"]],
  readonly [A["Encoded"], B["Encoded"]]
>
type Failing<Errors extends ReadonlyArray<Storable>> = Schema.Union<readonly [...Errors, typeof TaskTimeout]>
type Payloads<M extends Record<string, Any>> = Schema.Struct<{ readonly [K in keyof M]: M[K]["payload"] }>
type Values<M extends Record<string, Any>> = Schema.Struct<{ readonly [K in keyof M]: M[K]["success"] }>
type Errors<M extends Record<string, Any>> = Schema.Union<ReadonlyArray<M[keyof M]["error"] | typeof TaskTimeout>>
type RequiresOf<M extends Record<string, Any>> = { readonly [K in keyof M]: Requires<M[K]> }[keyof M]
type Results<M extends Record<string, Any>> = Schema.Struct<
  {
    readonly [K in keyof M]: Schema.Result<
      M[K]["success"],
      Schema.Union<readonly [M[K]["error"], typeof TaskError]>
    >
  }
>

const pair = <A extends Storable, B extends Storable>(a: A, b: B): Pair<A, B> =>
  // neither of a task's Schemas is an optional one, which the type of a tuple allows for
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- as said
  Schema.Tuple([a, b]) as never

const failing = <const Errors extends ReadonlyArray<Storable>>(...errors: Errors): Failing<Errors> =>
  Schema.Union([...errors, TaskTimeout]) as Failing<Errors>

type Member = Any & { readonly grace: Duration.Duration }

const compose = <Name extends string, P extends Storable, S extends Storable, E extends Storable, R>(
  name: Name,
  members: readonly [Member, ...ReadonlyArray<Member>],
  parts: {
    readonly payload: P
    readonly success: S
    readonly error: E
    readonly handler: Effect.Effect<NoInfer<Handle<P, S, E>>, never, R>
  }
): Task<Name, P, S, E, R> => ({
  ...members[0],
  ...parts,
  name,
  timeout: Duration.infinity,
  grace: graceAround(members),
  retry: undefined
})

const member = <Name extends string, P extends Storable, S extends Storable, E extends Storable>(
  /** Tells the members of a composed task apart. */
  key: string,
  task: Task<Name, P, S, E, never>,
  payload: P["Type"]
): Effect.Effect<S["Type"], E["Type"] | TaskTimeout, Attempt | Scope.Scope> =>
  Effect.flatMap(
    Attempt,
    ({ runId }) =>
      below(key)(bounded(attempted(task, runId, payload), { name: `task ${task.name}`, grace: task.grace }))
  )

const collected = <A, E, R>(key: string, task: string, work: Effect.Effect<A, E, R>) =>
  Effect.flatMap(Effect.exit(work), (exit) => {
    const result = settle(task, exit)
    if (Exit.isSuccess(exit)) return Effect.succeed(result)
    const { message, tag } = fromCause(exit.cause)
    return Effect.as(Effect.logWarning(`${key}: ${task} failed: ${tag}: ${message}`), result)
  })

const told = (values: Readonly<Record<string, unknown>>) => {
  const results = Object.values(values).filter(Result.isResult)
  const failed = results.filter(Result.isFailure).length
  const succeeded = results.length - failed
  return Effect.andThen(
    report({ succeeded, failed, summary: `${succeeded} of ${results.length} tasks` }),
    Effect.annotateLogs(Effect.logInfo("all.completed"), { ok: succeeded, failed })
  )
}
