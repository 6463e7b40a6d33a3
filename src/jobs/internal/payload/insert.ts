/**
 * Requests into the store, an answer for each in the order of the call: rows in one statement, merges in a transaction.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import type * as Schema from "effect/Schema"
import { type EnqueueUnknown, JobInvalid, type JobStoreUnavailable } from "../../JobError.ts"
import type { JobRequest } from "../../JobOptions.ts"
import { type Enqueued, JobStore, type NewJob } from "../../JobStore.ts"
import { immediate } from "../immediate.ts"
import { merged } from "../unique/merge.ts"
import { surroundings } from "./around.ts"
import { count } from "./counted.ts"
import { prepare } from "./prepare.ts"

export type EnqueueError = JobInvalid | EnqueueUnknown | JobStoreUnavailable

/** `parts`: what belongs to `meta.part`, by the place of the request. */
export const insert = (
  requests: ReadonlyArray<JobRequest>,
  options?: { readonly parts?: ReadonlyArray<Schema.Json> | undefined }
): Effect.Effect<ReadonlyArray<Enqueued>, EnqueueError, JobStore> =>
  Effect.contextWith((context: Context.Context<JobStore>) => {
    if (requests.length === 0) return Effect.succeed([])
    const around = surroundings(context)
    const placeOf = placesOf(requests)
    const prepared = requests.map((request, place) => prepare(request, around, placeOf, options?.parts?.[place]))
    const known = values(prepared)
    const store = (jobs: ReadonlyArray<NewJob>) => stored(requests, jobs, context)
    return known === undefined ? Effect.flatMap(Effect.all(prepared), store) : store(known)
  })

/** Of effects that are successes already, as they nearly all are. */
const values = <A>(effects: ReadonlyArray<Effect.Effect<A, unknown>>): ReadonlyArray<A> | undefined => {
  const all: Array<A> = []
  for (const effect of effects) {
    const one = immediate(effect)
    if (one === undefined) return undefined
    all.push(one.value)
  }
  return all
}

/** Only jobs that come after others ask for places. */
const placesOf = (requests: ReadonlyArray<JobRequest>) => {
  let places: ReadonlyMap<JobRequest, number> | undefined
  return (request: JobRequest) => (places ??= new Map(requests.map((sibling, place) => [sibling, place]))).get(request)
}

const stored = (
  requests: ReadonlyArray<JobRequest>,
  jobs: ReadonlyArray<NewJob>,
  context: Context.Context<JobStore>
): Effect.Effect<ReadonlyArray<Enqueued>, EnqueueError, JobStore> =>
  Effect.flatMap(
    requests.some(isMerging) ? merged(requests, jobs) : Context.get(context, JobStore).enqueue(jobs),
    (answers) => {
      const told = () => {
        count(jobs, answers, context)
        return answers
      }
      return jobs.some(hasId) ? Effect.map(refuseTaken(jobs, answers), told) : Effect.succeed(told())
    }
  )

const isMerging = ({ options: { unique } }: JobRequest) => typeof unique?.onConflict === "object"

const hasId = ({ id }: NewJob) => id !== null

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
