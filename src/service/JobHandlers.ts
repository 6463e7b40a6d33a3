/**
 * The code behind the endpoints of jobs.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import * as Result from "effect/Result"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import * as DurationText from "../core/DurationText.ts"
import { type Job, type JobId, runIdOf } from "../jobs/Job.ts"
import type { JobNotFound, JobStoreUnavailable } from "../jobs/JobError.ts"
import * as JobFilter from "../jobs/JobFilter.ts"
import * as JobQueue from "../jobs/JobQueue.ts"
import { JobStore } from "../jobs/JobStore.ts"
import { AdminApi } from "./AdminApi.ts"
import type { Enqueueable } from "./AppModule.ts"
import { unavailable } from "./internal/unavailable.ts"
import * as JobChanges from "./JobChanges.ts"
import {
  type Changed,
  FilterInvalid,
  JobConflict,
  JobRefused,
  JobsChanged,
  JobsReset,
  JobUnknown,
  type NewJob,
  Ping,
  TaskUnknown
} from "./JobsApi.ts"
import * as NamedQueue from "./NamedQueue.ts"
import * as Redaction from "./Redaction.ts"
import * as RedriveSample from "./RedriveSample.ts"

// most jobs that are counted, and that one call changes
const most = 100_000

/**
 * `tasks`: those that may be enqueued by name.
 *
 * @category layers
 */
export const layer = (tasks: ReadonlyArray<Enqueueable>) =>
  HttpApiBuilder.group(
    AdminApi,
    "jobs",
    Effect.fn(function*(handlers) {
      const store = yield* JobStore
      const hide = yield* Redaction.Redaction
      const shown = (job: Job) => Effect.provideService(Redaction.job(job), Redaction.Redaction, hide)
      const told = <A>(asked: Effect.Effect<A, JobStoreUnavailable, JobStore>) =>
        asked.pipe(Effect.provideService(JobStore, store), Effect.catchTag("JobStoreUnavailable", unavailable))
      const known = <A>(asked: Effect.Effect<A, JobStoreUnavailable | JobNotFound, JobStore>) =>
        asked.pipe(
          Effect.provideService(JobStore, store),
          Effect.catchTags({
            JobStoreUnavailable: unavailable,
            JobNotFound: ({ message: detail }) => Effect.fail(new JobUnknown({ detail }))
          })
        )
      const found = (id: JobId) => Effect.flatMap(known(JobQueue.get(id)), shown)
      const filterOf = (q: string | undefined) =>
        Effect.mapError(JobFilter.parse(q ?? ""), ({ message: detail }) => new FilterInvalid({ detail }))

      /** Changes one job, and gives it as it is then. */
      const change = (id: JobId, asked: Effect.Effect<JobQueue.Changed, JobStoreUnavailable, JobStore>, what: string) =>
        Effect.flatMap(told(asked), ({ changed }) =>
          Effect.filterOrFail(
            found(id),
            () => changed.length > 0,
            ({ state }) => new JobConflict({ detail: `job ${id} is ${state}: ${what}` })
          ))

      /** Changes what a filter finds, or only counts it. */
      const changeMany = Effect.fnUntraced(function*(
        { dryRun = false, q }: { readonly q: string; readonly dryRun?: boolean | undefined },
        work: (filter: JobFilter.JobFilter) => Effect.Effect<Done, JobStoreUnavailable, JobStore>
      ) {
        const filter = yield* filterOf(q)
        const { done, found, more } = dryRun
          ? yield* told(
            Effect.map(JobQueue.count(filter, { atMost: most }), (found) => ({ found, done: 0, more: false }))
          )
          : yield* told(work(filter))
        return { found, done, more, dryRun } satisfies Changed
      })

      return handlers.handleAll({
        list: ({ query: { before, limit = 50, q } }) =>
          Effect.gen(function*() {
            const jobs = yield* told(JobQueue.query(yield* filterOf(q), { before, limit }))
            const items = yield* Effect.forEach(jobs, shown)
            return { items, next: items.length < limit ? null : items.at(-1)?.id ?? null }
          }),
        count: ({ query: { q } }) =>
          Effect.flatMap(filterOf(q), (filter) => told(JobQueue.count(filter, { atMost: most }))).pipe(
            Effect.map((count) => ({ count }))
          ),
        changes: ({ headers: { "last-event-id": last }, query: { limit = 50, q } }) =>
          Effect.gen(function*() {
            const watch = JobChanges.watch(yield* filterOf(q), limit, last)
            const changes = yield* told(Effect.provideService(watch, Redaction.Redaction, hide))
            return Stream.merge(
              Stream.map(changes, ({ event, id, jobs: items, left }) =>
                event === "reset"
                  ? JobsReset.make({ id, data: { items } })
                  : JobsChanged.make({ id, data: { items, left } })),
              Stream.fromEffectSchedule(Effect.succeed(Ping.make({ data: "" })), Schedule.spaced("15 seconds"))
            )
          }),
        enqueue: ({ payload }) => enqueue(tasks, payload).pipe(Effect.provideService(JobStore, store)),
        cancelMany: ({ payload: { actor = null, q, reason = null, dryRun } }) =>
          changeMany({ q, dryRun }, (filter) =>
            Effect.map(
              JobQueue.cancel(filter, { actor, reason, limit: most }),
              ({ already, cancelled, ended, more, requested }) => ({
                found: cancelled.length + requested.length + already.length + ended.length,
                done: cancelled.length + requested.length,
                more
              })
            )),
        retryMany: ({ payload }) =>
          changeMany(payload, (filter) => Effect.map(JobQueue.retry(filter, { limit: most }), counted)),
        redrive: ({ payload: { dryRun = false, edit, limit = most, perSecond, q } }) =>
          Effect.gen(function*() {
            const filter = yield* filterOf(q)
            const patch = edit === undefined ? undefined : { patch: edit }
            const { found, more, redriven, refused, sample } = yield* JobQueue.redrive(filter, {
              dryRun,
              limit,
              perSecond,
              edit: patch
            }).pipe(
              Effect.provideService(JobStore, store),
              // repeated, it redrives nothing twice
              Effect.catchTag(["JobStoreUnavailable", "EnqueueUnknown"], unavailable)
            )
            const shownSample = yield* told(
              Effect.provideService(RedriveSample.shown(sample), Redaction.Redaction, hide)
            )
            return { found, done: redriven.length, dryRun, more, refused, sample: shownSample }
          }),
        eraseMany: ({ payload: { actor = null, q, reason = null, dryRun } }) =>
          changeMany(
            { q, dryRun },
            (filter) => Effect.map(JobQueue.erase(filter, { actor, reason, limit: most }), counted)
          ),
        get: ({ params }) => found(params.id),
        attempts: ({ params: { id } }) =>
          Effect.gen(function*() {
            const { task } = yield* found(id)
            const items = yield* Effect.forEach(yield* told(store.attempts(id)), (entry) =>
              Effect.map(
                entry.failure === null ? Effect.succeed(null) : Redaction.failure(task, entry.failure),
                (failure) => ({ ...entry, failure })
              )).pipe(Effect.provideService(Redaction.Redaction, hide))
            return { items }
          }),
        explain: ({ params }) => known(JobQueue.explain(params.id)),
        cancel: ({ params: { id }, payload: { actor = null, reason = null } }) =>
          Effect.flatMap(told(store.cancel([id], { actor, reason })), (answers) => {
            const answer = answers.get(id) ?? "unknown"
            return answer === "unknown"
              ? Effect.fail(new JobUnknown({ detail: `there is no job ${id}, or it is no longer kept` }))
              : Effect.succeed({ answer })
          }),
        retry: ({ params: { id } }) =>
          change(id, JobQueue.retry([id]), "only one that waits, or failed, can be due now"),
        reschedule: ({ params: { id }, payload }) =>
          Effect.gen(function*() {
            const to = "runAt" in payload ? { at: payload.runAt } : { delay: yield* lengthOf(payload.delay) }
            return yield* change(id, JobQueue.reschedule([id], to), "only one that waits can be given another time")
          }),
        erase: ({ params: { id }, payload: { actor = null, reason = null } }) =>
          change(id, JobQueue.erase([id], { actor, reason }), "only one that has ended can be erased: cancel it first")
      })
    })
  )

type Done = Omit<Changed, "dryRun">

const counted = ({ changed, more, unchanged }: JobQueue.Changed): Done => ({
  found: changed.length + unchanged.length,
  done: changed.length,
  more
})

const lengthOf = (delay: number | string): Effect.Effect<Duration.Duration, JobRefused> => {
  const read = typeof delay === "string"
    ? DurationText.parse(delay)
    : delay >= 0
    ? Result.succeed(delay)
    : Result.fail(`${delay} is no time: write milliseconds, 0 or more`)
  return Result.isSuccess(read)
    ? Effect.succeed(Duration.millis(read.success))
    : Effect.fail(new JobRefused({ detail: `delay: ${read.failure}` }))
}

const trigger = { kind: "http", method: "POST", path: "/api/v1/jobs" } as const

const enqueue = Effect.fnUntraced(function*(tasks: ReadonlyArray<Enqueueable>, job: NewJob) {
  const task = tasks.find(({ name }) => name === job.task)
  if (task === undefined) {
    const names = tasks.map(({ name }) => name).join(", ")
    return yield* new TaskUnknown({
      detail: `there is no task "${job.task}" to enqueue. Tasks: ${names}`
    })
  }
  if (job.queue !== undefined) {
    yield* NamedQueue.check(job.queue).pipe(
      Effect.catchTags({
        QueueUnheardOf: ({ message: detail }) => Effect.fail(new JobRefused({ detail })),
        JobStoreUnavailable: unavailable
      })
    )
  }
  const delay = job.delay === undefined ? undefined : yield* lengthOf(job.delay)
  const { duplicate, id } = yield* task.enqueue(job.payload, {
    trigger,
    ...(job.queue === undefined ? {} : { queue: job.queue }),
    ...(job.priority === undefined ? {} : { priority: job.priority }),
    ...(delay === undefined ? {} : { delay }),
    ...(job.runAt === undefined ? {} : { at: job.runAt }),
    ...(job.tags === undefined ? {} : { tags: job.tags }),
    ...(job.tenant === undefined ? {} : { tenant: job.tenant }),
    ...(job.id === undefined ? {} : { id: job.id })
  }).pipe(
    Effect.catchTags({
      PayloadInvalid: ({ message: detail }) => Effect.fail(new JobRefused({ detail })),
      JobInvalid: ({ message: detail }) => Effect.fail(new JobRefused({ detail })),
      JobStoreUnavailable: unavailable,
      EnqueueUnknown: unavailable
    })
  )
  return { id, runId: runIdOf(id), duplicate, served: (yield* NamedQueue.unserved(id)) === null }
})
