/**
 * Queues, tasks and tenants as a whole: stopping and going on, how many may run, in which order.
 *
 * All of it is in the database, so it holds on every node and stays over restarts. What runs already is not touched by a
 * pause; `drain` waits for it.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as RetryPolicy from "../core/RetryPolicy.ts"
import * as Sleeper from "../core/Sleeper.ts"
import type { Any } from "../core/Task.ts"
import { badName } from "./internal/payload/names.ts"
import {
  JobSettingRefused,
  JobSettingUsed,
  type JobStoreUnavailable,
  LimitNotFound,
  QueueNotFound
} from "./JobError.ts"
import * as JobFilter from "./JobFilter.ts"
import { JobStore, type Limit, type QueueSettings, type QueueState } from "./JobStore.ts"

/**
 * What is paused: a queue, all jobs of a task, or all of a tenant.
 *
 * @category models
 */
export type Target = { readonly queue: string } | { readonly task: Any | string } | { readonly tenant: string }

/**
 * Lets nothing of it start any more, on any node, until it is resumed: of a queue at once, of a task or a tenant within a
 * second, when every worker knows. What was paused already stays so.
 *
 * @category combinators
 */
export const pause = (
  target: Target
): Effect.Effect<void, JobStoreUnavailable | QueueNotFound | JobSettingRefused, JobStore> =>
  Effect.gen(function*() {
    const store = yield* JobStore
    if ("queue" in target) return yield* store.pause(target.queue, true)
    const [of, name] = "tenant" in target ? ["tenant", target.tenant] : ["task", nameOf(target.task)]
    const problem = badName("its name", name)
    if (problem !== undefined) {
      return yield* new JobSettingRefused({ of: `the pause of ${of} ${name}`, detail: problem })
    }
    yield* store.holds.put(`${of}:${name}`)
  })

/**
 * Ends a pause: what waited goes on in its order.
 *
 * @category combinators
 */
export const resume = (target: Target): Effect.Effect<void, JobStoreUnavailable | QueueNotFound, JobStore> =>
  Effect.flatMap(
    JobStore,
    (store) => "queue" in target ? store.pause(target.queue, false) : store.holds.release(holdOf(target))
  )

/**
 * Pauses and waits until nothing of it runs any more, anywhere. Interrupting the wait leaves it paused.
 *
 * @category combinators
 */
export const drain = (
  target: Target
): Effect.Effect<void, JobStoreUnavailable | QueueNotFound | JobSettingRefused, JobStore> =>
  Effect.gen(function*() {
    const store = yield* JobStore
    yield* pause(target)
    const sleeper = yield* Sleeper.make
    yield* Effect.forkScoped(Stream.runForEach(store.changes, () => sleeper.wake))
    // what a worker that does not know yet may still start is waited for as well
    if (!("queue" in target)) yield* Effect.sleep("1500 millis")
    const running = Effect.retry(store.count(runningOf(target), 1), RetryPolicy.patient("20 seconds"))
    while ((yield* running) > 0) yield* sleeper.sleep("2 seconds")
  }).pipe(Effect.scoped, Effect.withTracerEnabled(false))

const holdOf = (target: Exclude<Target, { readonly queue: string }>): string =>
  "tenant" in target ? `tenant:${target.tenant}` : `task:${nameOf(target.task)}`

const nameOf = (task: Any | string) => typeof task === "string" ? task : task.name

const runningOf = (target: Target): JobFilter.JobFilter => ({
  ...JobFilter.all,
  states: ["running"],
  ...("queue" in target
    ? { queues: [target.queue] }
    : "tenant" in target
    ? { tenants: [target.tenant] }
    : { tasks: [nameOf(target.task)] })
})

/**
 * All queues that are known, with what is in them.
 *
 * @category getters
 */
export const queues: Effect.Effect<ReadonlyArray<QueueState>, JobStoreUnavailable, JobStore> = Effect.flatMap(
  JobStore,
  (store) => store.queues
)

/**
 * @category getters
 */
export const queue = (name: string): Effect.Effect<QueueState, JobStoreUnavailable | QueueNotFound, JobStore> =>
  Effect.flatMap(queues, (all) => {
    const found = all.find((queue) => queue.name === name)
    return found === undefined ? Effect.fail(new QueueNotFound({ queue: name })) : Effect.succeed(found)
  })

/**
 * Tasks and tenants that are paused, as `task:<name>` and `tenant:<name>`.
 *
 * @category getters
 */
export const paused: Effect.Effect<ReadonlySet<string>, JobStoreUnavailable, JobStore> = Effect.flatMap(
  JobStore,
  (store) => store.holds.list
)

/**
 * Sets what a queue obeys, and makes it known where nothing was ever enqueued to it. What is left out stays as it is.
 *
 * @category combinators
 */
export const configure = (
  name: string,
  settings: {
    /** Limit of all its jobs that name none of their own; null: none. */
    readonly limit?: string | null | undefined
    /** Whether tenants take turns. Only an empty queue can change it. */
    readonly fair?: boolean | undefined
    /**
     * How long a job waits for each step of priority until it goes before a newer one of a better priority; null: a better
     * priority always goes first. Only an empty queue can change it.
     */
    readonly ageing?: Duration.Input | null | undefined
  }
): Effect.Effect<void, JobStoreUnavailable | JobSettingRefused, JobStore> =>
  Effect.gen(function*() {
    const refuse = (detail: string) => new JobSettingRefused({ of: `queue ${name}`, detail })
    const problem = badName("its name", name)
    if (problem !== undefined) return yield* refuse(problem)
    const ageingMs = settings.ageing === undefined || settings.ageing === null
      ? settings.ageing
      : positiveMs(settings.ageing)
    if (Number.isNaN(ageingMs)) return yield* refuse("ageing is no duration above zero and up to a year")
    const wanted: Partial<QueueSettings> = {
      ...(settings.limit === undefined ? {} : { limit: settings.limit }),
      ...(settings.fair === undefined ? {} : { fair: settings.fair }),
      ...(ageingMs === undefined ? {} : { ageingMs })
    }
    const store = yield* JobStore
    const obstacle = yield* store.configure(name, wanted)
    if (obstacle !== null) return yield* refuse(obstacle)
  })

/**
 * Removes a queue that holds no job and that no living worker serves: it is told of no more, and its settings are forgotten.
 * Jobs that have ended stay as long as they are kept. A queue that is used again is there again.
 *
 * @category combinators
 */
export const remove = (name: string): Effect.Effect<
  void,
  JobStoreUnavailable | QueueNotFound | JobSettingUsed,
  JobStore
> =>
  Effect.gen(function*() {
    const store = yield* JobStore
    const answer = yield* store.remove(name)
    if (answer === "unknown") return yield* new QueueNotFound({ queue: name })
    if (answer !== "removed") return yield* new JobSettingUsed({ of: `queue ${name}`, detail: answer.usedBy })
  })

/**
 * Removes a limit that no queue obeys and that no job names which has not ended. Enqueue refuses jobs that name it from then
 * on; a node that made some before may go on, and they obey it as it was.
 *
 * @category combinators
 */
export const removeLimit = (name: string): Effect.Effect<
  void,
  JobStoreUnavailable | LimitNotFound | JobSettingUsed,
  JobStore
> =>
  Effect.gen(function*() {
    const store = yield* JobStore
    const answer = yield* store.limits.remove(name)
    if (answer === "unknown") return yield* new LimitNotFound({ limit: name })
    if (answer !== "removed") return yield* new JobSettingUsed({ of: `limit ${name}`, detail: answer.usedBy })
  })

/**
 * @category getters
 */
export const limits: Effect.Effect<ReadonlyArray<Limit>, JobStoreUnavailable, JobStore> = Effect.flatMap(
  JobStore,
  (store) => store.limits.list
)

/**
 * Makes a limit or changes it: how many of a key run at once, how many start in a time, or both. It holds for jobs that
 * wait already; what runs is not stopped.
 *
 * @category combinators
 * @example
 * ```ts
 * import { JobQueue } from "ostinato/jobs"
 *
 * // for each key at most 4 at once, and no more than 5,000 in an hour
 * const limited = JobQueue.setLimit("forge", { permits: 4, rate: { units: 5000, per: "1 hour", burst: 100 } })
 * ```
 */
export const setLimit = (name: string, limit: {
  /** At once for each key, from 1. Defaults to as many as there are. */
  readonly permits?: number | undefined
  /** Defaults to no rate. */
  readonly rate?: {
    readonly units: number
    readonly per: Duration.Input
    /** At once at most. Defaults to `units`. */
    readonly burst?: number | undefined
  } | undefined
}): Effect.Effect<void, JobStoreUnavailable | JobSettingRefused, JobStore> =>
  Effect.gen(function*() {
    const { permits, rate } = limit
    const perMs = rate === undefined ? 0 : positiveMs(rate.per)
    const burst = rate?.burst ?? rate?.units ?? 1
    const problem = badName("its name", name) ??
      (name === "order" ? "order is the limit behind orderBy, which has one permit" : undefined) ??
      (permits === undefined && rate === undefined ? "it has neither permits nor a rate" : undefined) ??
      badCount("permits", permits) ??
      badCount("the units of its rate", rate?.units) ??
      badCount("the burst of its rate", rate === undefined ? undefined : burst) ??
      (Number.isNaN(perMs) ? "the time of its rate is no duration above zero and up to a year" : undefined)
    if (problem !== undefined) return yield* new JobSettingRefused({ of: `limit ${name}`, detail: problem })
    const store = yield* JobStore
    yield* store.limits.set({
      name,
      permits: permits ?? null,
      rate: rate === undefined ? null : { units: rate.units, perMs, burst }
    })
  })

const badCount = (what: string, value: number | undefined) =>
  value === undefined || Number.isInteger(value) && value >= 1 && value <= 100_000
    ? undefined
    : `${what} ${value} is no whole number from 1 to 100000`

const year = Duration.toMillis(Duration.days(365))

const positiveMs = (input: Duration.Input): number => {
  const millis = Option.match(Duration.fromInput(input), { onNone: () => Number.NaN, onSome: Duration.toMillis })
  return millis > 0 && millis <= year ? millis : Number.NaN
}
