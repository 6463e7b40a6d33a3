/**
 * Requests into the store, an answer for each in the order of the call: rows in one statement, merges in a transaction.
 */
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import type * as Schema from "effect/Schema"
import { type EnqueueUnknown, JobInvalid, type JobStoreUnavailable } from "../../JobError.ts"
import type { JobRequest } from "../../JobOptions.ts"
import { type Enqueued, JobStore, type NewJob } from "../../JobStore.ts"
import { merged } from "../unique/merge.ts"
import { immediate } from "../worker/immediate.ts"
import { surroundings } from "./around.ts"
import { counted } from "./counted.ts"
import { prepare } from "./prepare.ts"

export type EnqueueError = JobInvalid | EnqueueUnknown | JobStoreUnavailable

/** `parts`: what belongs to `meta.part`, by the place of the request. */
export const insert = (
  requests: ReadonlyArray<JobRequest>,
  options?: { readonly parts?: ReadonlyArray<Schema.Json> | undefined }
): Effect.Effect<ReadonlyArray<Enqueued>, EnqueueError, JobStore> =>
  Effect.gen(function*() {
    if (requests.length === 0) return []
    const around = yield* surroundings
    const siblings = new Map(requests.map((request, place) => [request, place]))
    const jobs: Array<NewJob> = []
    for (const [place, request] of requests.entries()) {
      const prepared = prepare(request, around, siblings, options?.parts?.[place])
      const plain = immediate(prepared)
      jobs.push(plain === undefined ? yield* prepared : plain.value)
    }
    const answers = requests.some(({ options }) => typeof options.unique?.onConflict === "object")
      ? yield* merged(requests, jobs)
      : yield* Effect.flatMap(JobStore, (store) => store.enqueue(jobs))
    if (jobs.some(({ id }) => id !== null)) yield* refuseTaken(jobs, answers)
    yield* counted(jobs, answers)
    return answers
  })

/** An id that the caller gave and that belongs to another job is no repetition, and would lose the new one. */
const refuseTaken = Effect.fnUntraced(function*(jobs: ReadonlyArray<NewJob>, answers: ReadonlyArray<Enqueued>) {
  const repeated = jobs.filter((job, place) =>
    job.id !== null && answers[place]?.duplicate && answers[place].id === job.id
  )
  if (repeated.length === 0) return
  const store = yield* JobStore
  const there = new Map((yield* store.getMany(repeated.flatMap(({ id }) => id ?? []))).map((job) => [job.id, job]))
  for (const job of repeated) {
    const other = job.id === null ? undefined : there.get(job.id)
    if (other === undefined || other.task === job.task && Equal.equals(other.payload, job.payload)) continue
    const detail = `the id ${job.id} belongs to another job, of task ${other.task} with another payload: give a new id`
    return yield* new JobInvalid({ task: job.task, detail })
  }
})
