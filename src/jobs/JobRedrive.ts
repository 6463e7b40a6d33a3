/**
 * Giving discarded work another chance: as it was, or with a payload that was mended, at a rate that the far side bears.
 *
 *   discarded --redrive--> available                       (the same job, its attempts counted anew)
 *   discarded --redrive with an edit--> a new job          (`meta.redrivenFrom`; the old one stays as it is)
 *
 * A redrive that was cut short may be repeated: what had been redriven with the same edit is not redriven again.
 */
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type { Any } from "../core/Task.ts"
import { fromCause } from "../core/TaskError.ts"
import { jobs as eachPage } from "./internal/pages.ts"
import * as id from "./internal/payload/id.ts"
import { mergePatch } from "./internal/payload/mergePatch.ts"
import { canonical } from "./internal/unique/key.ts"
import { type Job, type JobId, millisOf } from "./Job.ts"
import type { EnqueueUnknown, JobStoreUnavailable } from "./JobError.ts"
import type { JobFilter } from "./JobFilter.ts"
import { JobStore, type NewJob } from "./JobStore.ts"
import * as PayloadVersion from "./PayloadVersion.ts"

/**
 * A change of payloads: typed by the task, or as a JSON merge patch (RFC 7396) of the stored form.
 *
 * @category models
 */
export type Edit =
  | { readonly patch: Schema.Json }
  | {
    readonly task: Any
    readonly edit: (json: Schema.Json, version: number) => Effect.Effect<Schema.Json, EditRefused>
  }

/** Why a payload could not be edited. */
interface EditRefused {
  readonly detail: string
}

/**
 * A typed edit: payloads of any version are read, changed and written in the newest. Jobs of other tasks are left alone.
 *
 * @category constructors
 */
export const editing = <T extends Any>(
  task: T,
  edit: (payload: T["payload"]["Type"]) => T["payload"]["Type"]
): Edit => ({
  task,
  edit: Effect.fnUntraced(function*(json, version) {
    const payload = yield* PayloadVersion.decode(task, version, json)
    const edited = yield* Effect.try({
      try: () => edit(payload),
      catch: (error): EditRefused => ({ detail: fromCause(Cause.fail(error)).message })
    })
    return yield* Effect.mapBoth(Schema.encodeEffect(Schema.toCodecJson(task.payload))(edited), {
      onSuccess: (written): Schema.Json => written ?? null,
      onFailure: (error): EditRefused => ({ detail: error.message })
    })
  })
})

/**
 * @category models
 */
export interface RedriveOptions {
  /** Defaults to none: the jobs themselves run again. */
  readonly edit?: Edit | undefined
  /** At most so many in a second. Defaults to no bound. */
  readonly perSecond?: number | undefined
  /** At most so many. Defaults to `100,000`. */
  readonly limit?: number | undefined
  /** Only says what would happen. Defaults to `false`. */
  readonly dryRun?: boolean | undefined
}

/**
 * @category models
 */
export interface Redriven {
  /** What runs again: the jobs themselves, with an edit the new ones. Empty in a dry run. */
  readonly redriven: ReadonlyArray<JobId>
  /** Jobs that were found. */
  readonly found: number
  /** Had been redriven before with the same edit, or have left their state meanwhile. */
  readonly before: ReadonlyArray<JobId>
  /** Could not be edited, and why. */
  readonly refused: ReadonlyArray<{ readonly id: JobId; readonly detail: string }>
  /** There are jobs beyond the limit. */
  readonly more: boolean
  /** The first ten payloads as they would be; only in a dry run with an edit. */
  readonly sample: ReadonlyArray<{ readonly id: JobId; readonly before: Schema.Json; readonly after: Schema.Json }>
}

/**
 * Redrives what a filter finds: discarded jobs unless it names other states; of those that have not ended none.
 *
 * @category combinators
 * @example
 * ```ts
 * import { Schema } from "effect"
 * import { Task } from "ostinato"
 * import { JobFilter, JobQueue } from "ostinato/jobs"
 *
 * const Send = Task.make("docs.send", { payload: { to: Schema.String } })
 *
 * // at most ten a second, to another address
 * const mended = JobQueue.redrive({ ...JobFilter.all, tasks: ["docs.send"], errors: ["Bounced"] }, {
 *   edit: JobQueue.editing(Send, ({ to }) => ({ to: to.toLowerCase() })),
 *   perSecond: 10
 * })
 * ```
 */
export const redrive = (
  filter: JobFilter,
  options?: RedriveOptions
): Effect.Effect<Redriven, JobStoreUnavailable | EnqueueUnknown, JobStore> =>
  Effect.gen(function*() {
    const store = yield* JobStore
    const perSecond = Math.max(0.001, options?.perSecond ?? Infinity)
    const size = Math.max(1, Math.min(500, Math.floor(perSecond)))
    const result = { redriven: [], before: [], refused: [], sample: [], found: 0 } as Mutable
    const wanted: JobFilter = { ...filter, states: filter.states.length === 0 ? ["discarded"] : filter.states }
    const more = yield* eachPage(wanted, { limit: options?.limit, size }, (page) =>
      Effect.gen(function*() {
        if (result.found > 0 && Number.isFinite(perSecond) && options?.dryRun !== true) {
          yield* Effect.sleep(Duration.millis(1000 * size / perSecond))
        }
        const jobs = page.filter(({ state }) => state === "discarded" || state === "cancelled")
        result.found += jobs.length
        yield* options?.edit === undefined
          ? again(store, jobs, options?.dryRun === true, result)
          : anew(store, jobs, options.edit, options.dryRun === true, result)
      }))
    return { ...result, more }
  })

type Mutable = {
  -readonly [K in Exclude<keyof Redriven, "more">]: Redriven[K] extends ReadonlyArray<infer A> ? Array<A> : Redriven[K]
}

const again = Effect.fnUntraced(
  function*(store: JobStore["Service"], jobs: ReadonlyArray<Job>, isDry: boolean, result: Mutable) {
    if (isDry) return
    const retried = yield* store.retry(jobs.map(({ id }) => id))
    for (const job of jobs) result[retried.has(job.id) ? "redriven" : "before"].push(job.id)
  }
)

const anew = Effect.fnUntraced(
  function*(store: JobStore["Service"], jobs: ReadonlyArray<Job>, edit: Edit, isDry: boolean, result: Mutable) {
    const rows: Array<{ readonly from: JobId; readonly row: NewJob }> = []
    for (const job of jobs) {
      const edited = yield* Effect.result(apply(edit, job))
      if (Result.isFailure(edited)) {
        result.refused.push({ id: job.id, detail: edited.failure.detail })
      } else {
        rows.push({ from: job.id, row: edited.success })
        if (isDry && result.sample.length < 10) {
          result.sample.push({ id: job.id, before: job.payload, after: edited.success.payload })
        }
      }
    }
    if (isDry || rows.length === 0) return
    const enqueue = (some: typeof rows) =>
      Effect.map(store.enqueue(some.map(({ row }) => row)), (answers) => {
        for (const { duplicate, id } of answers) result[duplicate ? "before" : "redriven"].push(id)
      })
    // one that names a limit which is gone is refused alone
    const oneByOne = Effect.forEach(
      rows,
      (one) =>
        Effect.catchTag(
          enqueue([one]),
          "JobInvalid",
          ({ detail }) => Effect.sync(() => void result.refused.push({ id: one.from, detail }))
        ),
      { discard: true }
    )
    yield* Effect.catchTag(enqueue(rows), "JobInvalid", () => oneByOne)
  }
)

const apply = (edit: Edit, job: Job): Effect.Effect<NewJob, EditRefused> => {
  if ("patch" in edit) return Effect.succeed(rowOf(job, mergePatch(job.payload, edit.patch), job.meta.version))
  const { task } = edit
  return job.task === task.name
    ? Effect.map(
      edit.edit(job.payload, job.meta.version ?? 1),
      (payload) => rowOf(job, payload, PayloadVersion.versionOf(task))
    )
    : Effect.fail({ detail: `it is a job of task ${job.task}, and the edit is for ${task.name}` })
}

const rowOf = (job: Job, payload: Schema.Json, version: number | undefined): NewJob => {
  const { deadline: _, part: _part, ...meta } = job.meta
  return {
    // the same for the same edit, so a repetition finds it
    id: id.derived(`redrive ${job.id} ${canonical(payload)}`, millisOf(job.id)),
    queue: job.queue,
    task: job.task,
    payload,
    meta: { ...meta, redrivenFrom: job.id, ...(version === undefined ? {} : { version }) },
    priority: job.meta.priority ?? job.priority,
    maxAttempts: job.maxAttempts,
    delayMs: 0,
    runAt: null,
    deadlineMs: null,
    unique: null,
    limit: job.meta.limit ?? null,
    tenant: job.meta.origin?.tenant ?? null,
    cost: 1,
    after: []
  }
}
