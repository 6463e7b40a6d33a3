/**
 * Work that was begun by a request and may outlive it: its client is told where to look.
 *
 *   running --> completed | failed | cancelled --kept for a while--> forgotten
 *
 * Operations live in this process: a crash loses them. Work that must survive belongs into a durable job, for which an
 * operation then only waits. When its scope closes, what runs is interrupted.
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { randomUUID } from "node:crypto"
import * as CapturedContext from "../core/CapturedContext.ts"
import * as Drain from "../core/Drain.ts"
import * as LatestValue from "../core/LatestValue.ts"
import * as HttpProblem from "./HttpProblem.ts"

/**
 * Work as its client sees it.
 *
 * @category models
 */
export const Operation = Schema.Struct({
  /** A UUID, not to be guessed: whoever knows it may look. */
  id: Schema.String,
  /** Of what it does: the name of a task, usually. */
  name: Schema.String,
  state: Schema.Literals(["running", "completed", "failed", "cancelled"]),
  startedAt: Schema.DateTimeUtc,
  endedAt: Schema.NullOr(Schema.DateTimeUtc),
  /** What it last said of itself; null where it said nothing. */
  progress: Schema.NullOr(Schema.Json),
  /** What it gave; null unless completed. */
  result: Schema.NullOr(Schema.Json),
  /** Why it failed; null unless it did. */
  problem: Schema.NullOr(Schema.Struct({
    type: Schema.String,
    status: Schema.Int,
    title: Schema.String,
    detail: Schema.optionalKey(Schema.String)
  }))
})

/**
 * @category models
 */
export type Operation = typeof Operation.Type

/**
 * The operations of a service.
 *
 * @category services
 */
export class Operations extends Context.Service<Operations, {
  /** Begins work. It goes on whatever becomes of the request that began it. */
  readonly start: <R>(
    name: string,
    work: Effect.Effect<Schema.Json, HttpProblem.Problem, R>
  ) => Effect.Effect<Started, never, R>
  /** One that runs, or ended not too long ago. */
  readonly find: (id: string) => Effect.Effect<Operation | null>
  /** Interrupts one. Its finalizers end before it is shown as cancelled. */
  readonly cancel: (id: string) => Effect.Effect<"cancelled" | "ended" | "unknown">
  /** Every newer state of one, from now to its end; empty where there is no such. One who reads slowly misses some. */
  readonly changes: (id: string) => Stream.Stream<Operation>
}>()("ostinato/http/Operations") {}

/**
 * One that was begun.
 *
 * @category models
 */
export interface Started {
  readonly id: string
  /** It as it is when it has ended. */
  readonly ended: Effect.Effect<Operation>
}

/**
 * How long what has ended can be seen.
 *
 * @category models
 */
export interface OperationsOptions {
  /** Defaults to `10 minutes`. */
  readonly keep?: Duration.Input | undefined
  /** How many ended ones are kept at most; the oldest is forgotten. Defaults to 1,000. */
  readonly most?: number | undefined
  /** How long the end of the scope waits for finalizers of what it interrupts. Defaults to `3 seconds`. */
  readonly grace?: Duration.Input | undefined
}

/**
 * Says how far the current operation is: its client sees the newest. Does nothing where none is current.
 *
 * @category combinators
 */
export const report = (progress: Schema.Json): Effect.Effect<void> =>
  Effect.flatMap(
    Effect.serviceOption(Current),
    (current) => Option.isSome(current) ? current.value.report(progress) : Effect.void
  )

class Current extends Context.Service<Current, {
  readonly report: (progress: Schema.Json) => Effect.Effect<void>
}>()("ostinato/http/Operations/Current") {}

interface Entry {
  readonly shown: LatestValue.LatestValue<Operation>
  fiber: Fiber.Fiber<void> | undefined
}

/**
 * @category constructors
 */
export const make = (options?: OperationsOptions): Effect.Effect<Operations["Service"], never, Scope.Scope> =>
  Effect.gen(function*() {
    const keep = Duration.toMillis(Duration.fromInputUnsafe(options?.keep ?? "10 minutes"))
    const most = options?.most ?? 1000
    const entries = new Map<string, Entry>()
    /** When they ended, oldest first. */
    const past = new Map<string, number>()
    const tidy = Effect.map(Clock.currentTimeMillis, (now) => {
      for (const [id, endedAt] of past) {
        if (past.size <= most && endedAt + keep > now) break
        past.delete(id)
        entries.delete(id)
      }
    })
    const entryOf = (id: string) => Effect.map(tidy, () => entries.get(id))
    yield* Effect.addFinalizer(() =>
      Drain.atMost(options?.grace ?? "3 seconds")(
        Effect.forEach(entries.values(), ({ fiber }) => fiber === undefined ? Effect.void : Fiber.interrupt(fiber), {
          concurrency: "unbounded",
          discard: true
        })
      )
    )

    return {
      start: (name, work) =>
        Effect.uninterruptible(Effect.gen(function*() {
          yield* tidy
          const first = { ...begun, id: randomUUID(), name, startedAt: yield* DateTime.now }
          const entry: Entry = {
            shown: yield* LatestValue.make<Operation>(`operation ${first.id}`, first),
            fiber: undefined
          }
          entries.set(first.id, entry)
          const ended = Effect.gen(function*() {
            past.set(first.id, yield* Clock.currentTimeMillis)
            yield* entry.shown.close
          })
          const whole = Effect.provideService(
            Effect.interruptible(Effect.scoped(work)),
            Current,
            currentOf(entry.shown)
          )
            .pipe(
              Effect.exit,
              Effect.tap((exit) =>
                exit._tag === "Failure" && Cause.hasDies(exit.cause)
                  ? Effect.logError(`operation ${name} broke`, exit.cause)
                  : Effect.void
              ),
              Effect.flatMap((exit) =>
                Effect.flatMap(DateTime.now, (endedAt) => change(entry.shown, { ...outcome(exit), endedAt }))
              ),
              Effect.andThen(ended),
              Effect.uninterruptible
            )
          const context = yield* CapturedContext.make<Effect.Services<typeof work>>()
          entry.fiber = Effect.runForkWith(context)(whole)
          return { id: first.id, ended: lastOf(entry.shown) }
        })),
      find: (id) =>
        Effect.flatMap(
          entryOf(id),
          (entry) => entry === undefined ? Effect.succeed(null) : Effect.map(entry.shown.get, ({ value }) => value)
        ),
      cancel: (id) =>
        Effect.gen(function*() {
          const entry = yield* entryOf(id)
          if (entry === undefined) return "unknown"
          if (past.has(id) || entry.fiber === undefined) return "ended"
          yield* Fiber.interrupt(entry.fiber)
          return "cancelled"
        }),
      changes: (id) =>
        Stream.unwrap(Effect.map(entryOf(id), (entry) => entry === undefined ? Stream.empty : statesOf(entry.shown)))
    }
  })

/**
 * @category layers
 */
export const layer = (options?: OperationsOptions): Layer.Layer<Operations> => Layer.effect(Operations, make(options))

type Shown = LatestValue.LatestValue<Operation>

const begun = { state: "running", endedAt: null, progress: null, result: null, problem: null } as const

const change = (shown: Shown, part: Partial<Operation>) =>
  Effect.flatMap(shown.get, ({ value }) => Effect.ignore(shown.set({ ...value, ...part })))

const currentOf = (shown: Shown) => ({ report: (progress: Schema.Json) => change(shown, { progress }) })

const outcome = (exit: Exit.Exit<Schema.Json, HttpProblem.Problem>): Partial<Operation> => {
  if (Exit.isSuccess(exit)) return { state: "completed", result: exit.value }
  if (Cause.hasInterruptsOnly(exit.cause)) return { state: "cancelled" }
  const failure = Cause.findError(exit.cause)
  return { state: "failed", problem: Result.isSuccess(failure) ? told(failure.success) : told(HttpProblem.failed()) }
}

const told = ({ detail, status, title, type }: HttpProblem.Problem) => ({
  type,
  status,
  title,
  ...(detail === undefined ? {} : { detail })
})

/** Every state from now on; a reader who is late gets the newest. */
const statesOf = (shown: Shown): Stream.Stream<Operation> =>
  Stream.unfold(-1, (seen) =>
    Effect.match(shown.after(seen), {
      onSuccess: ({ value, version }) => [value, version] as const,
      onFailure: () => undefined
    }))

const lastOf = (shown: Shown): Effect.Effect<Operation> =>
  Effect.flatMap(shown.get, ({ value, version }) =>
    value.state === "running"
      ? Effect.matchEffect(shown.after(version), {
        onSuccess: () => lastOf(shown),
        onFailure: () => Effect.map(shown.get, ({ value }) => value)
      })
      : Effect.succeed(value))
