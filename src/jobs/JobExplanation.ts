/**
 * Why a job is where it is: one sentence for people, and what it rests on.
 *
 * It is read in a few small statements, not in one, so it may mix instants that are moments apart.
 */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { said } from "./internal/explain.ts"
import { type Job, JobId, JobState } from "./Job.ts"
import { get } from "./JobControl.ts"
import type { JobNotFound, JobStoreUnavailable } from "./JobError.ts"
import * as JobFilter from "./JobFilter.ts"
import { JobStore } from "./JobStore.ts"

/**
 * @category models
 */
export class JobExplanation extends Schema.Class<JobExplanation>("ostinato/jobs/JobExplanation")({
  id: JobId,
  state: JobState,
  /** Why it is in this state, and what has to happen for it to go on. */
  summary: Schema.String,
  /** What else stands in its way, or is worth knowing; a sentence each. */
  notes: Schema.Array(Schema.String),
  /** When it is due, where it waits for that. */
  dueAt: Schema.NullOr(Schema.DateTimeUtc),
  /** Jobs of its queue that go before it; null where it is not in line, or the line is longer than 1,000. */
  ahead: Schema.NullOr(Schema.Int),
  /** Jobs that have to end first. */
  waitsFor: Schema.Array(JobId),
  /** Living nodes that serve its queue and task. */
  servedBy: Schema.Array(Schema.String),
  /** Pauses that concern it: `queue:<name>`, `task:<name>`, `tenant:<name>`. */
  pauses: Schema.Array(Schema.String),
  /** The limit that it obeys, by its own wish or by that of its queue. */
  limit: Schema.NullOr(Schema.Struct({
    name: Schema.String,
    key: Schema.NullOr(Schema.String),
    permits: Schema.NullOr(Schema.Int),
    /** e.g. `10 each 60000 ms`. */
    rate: Schema.NullOr(Schema.String)
  })),
  /** Of its newest attempts that failed, the newest first; at most five. */
  failures: Schema.Array(Schema.Struct({
    attempt: Schema.Int,
    at: Schema.DateTimeUtc,
    tag: Schema.String,
    message: Schema.String
  }))
}) {}

/**
 * Why a job does not run, or what became of it.
 *
 * @category getters
 */
export const explain = (id: JobId): Effect.Effect<JobExplanation, JobNotFound | JobStoreUnavailable, JobStore> =>
  Effect.gen(function*() {
    const store = yield* JobStore
    const job = yield* get(id)
    const failures = (yield* store.attempts(id))
      .flatMap(({ at, attempt, failure }) =>
        failure === null ? [] : [{ attempt, at, tag: failure.tag, message: failure.message }]
      )
      .sort((a, b) => DateTime.toEpochMillis(b.at) - DateTime.toEpochMillis(a.at) || b.attempt - a.attempt)
      .slice(0, 5)
    const serving = (yield* store.members).filter(({ serves }) => Object.hasOwn(serves, job.queue))
    const servedBy = serving.filter(({ serves }) => serves[job.queue]?.includes(job.task) === true).map(({ node }) =>
      node
    )
    const parents = job.state === "pending" ? yield* store.parents(id) : []
    const facts = {
      pauses: yield* pausesOf(store, job),
      servedBy,
      isQueueServed: serving.length > 0,
      ahead: job.state === "available" ? yield* aheadOf(store, job) : null,
      waitsFor: parents.filter(({ state }) => !isOver(state)).map((parent) => parent.id),
      limit: yield* limitOf(store, job),
      failures
    }
    const dueAt = job.state === "scheduled" || job.state === "retryable" ? job.runAt : null
    const { isQueueServed: _, ...kept } = facts
    return new JobExplanation({ id, state: job.state, dueAt, ...kept, ...said(job, facts) })
  })

const isOver = (state: JobState) => state === "completed" || state === "cancelled" || state === "discarded"

const pausesOf = Effect.fnUntraced(function*(store: JobStore["Service"], job: Job) {
  const tenant = job.meta.origin?.tenant
  const holds = yield* store.holds.list
  const queue = (yield* store.queues).find(({ name }) => name === job.queue)
  return [
    ...(queue?.pausedAt == null ? [] : [`queue:${job.queue}`]),
    ...[`task:${job.task}`, ...(tenant == null ? [] : [`tenant:${tenant}`])].filter((hold) => holds.has(hold))
  ]
})

const longestLine = 1000

const aheadOf = Effect.fnUntraced(function*(store: JobStore["Service"], job: Job) {
  const line = yield* store.query({
    filter: { ...JobFilter.all, queues: [job.queue], states: ["available"] },
    before: null,
    limit: longestLine
  })
  if (line.length === longestLine) return null
  return line.filter((other) =>
    other.priority < job.priority || other.priority === job.priority && BigInt(other.id) < BigInt(job.id)
  ).length
})

const limitOf = Effect.fnUntraced(function*(store: JobStore["Service"], job: Job) {
  const own = job.meta.limit
  const name = own?.name ?? (yield* store.queues).find((queue) => queue.name === job.queue)?.limit
  if (name == null) return null
  const limit = (yield* store.limits.list).find((limit) => limit.name === name)
  const rate = limit?.rate
  return {
    name,
    key: own?.key ?? null,
    permits: limit?.permits ?? null,
    rate: rate == null ? null : `${rate.units} each ${rate.perMs} ms`
  }
})
