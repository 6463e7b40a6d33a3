/**
 * Rows of the view `jobs` as operators see them. A row that cannot be read, as somebody else or a newer version wrote it,
 * hides no other.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { Job, JobFailure, JobMeta, JobReport } from "../../Job.ts"

/** Columns of the view, under the names of `Job`. */
export const jobColumns = (view: string) =>
  [
    "id::text",
    "queue",
    "task",
    "state",
    "reason",
    "priority",
    "attempt",
    "max_attempts as \"maxAttempts\"",
    "lost",
    "node",
    "payload",
    "meta",
    "created_at as \"createdAt\"",
    "run_at as \"runAt\"",
    "available_at as \"availableAt\"",
    "started_at as \"startedAt\"",
    "finished_at as \"finishedAt\"",
    "progress",
    "output",
    "report",
    "failure"
  ].map((column) => `${view}.${column}`).join(", ")

const Instant = Schema.NullOr(Schema.DateTimeUtcFromDate)

const Row = Schema.Struct({
  ...Job.fields,
  meta: Schema.NullOr(Schema.toCodecJson(JobMeta)),
  createdAt: Schema.DateTimeUtcFromDate,
  runAt: Instant,
  availableAt: Instant,
  startedAt: Instant,
  finishedAt: Instant,
  report: Schema.NullOr(Schema.toCodecJson(JobReport)),
  failure: Schema.NullOr(Schema.toCodecJson(JobFailure))
})

const read = Schema.decodeUnknownOption(Row)

export const decodeJobs = (rows: ReadonlyArray<unknown>): Effect.Effect<ReadonlyArray<Job>> =>
  Effect.gen(function*() {
    const jobs: Array<Job> = []
    for (const row of rows) {
      const job = read(row)
      if (Option.isSome(job)) jobs.push(new Job({ ...job.value, meta: job.value.meta ?? {} }))
      else yield* Effect.logWarning("a row of jobs cannot be read and is left out", row)
    }
    return jobs
  })
