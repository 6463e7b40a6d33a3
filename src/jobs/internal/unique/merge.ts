/**
 * Typed merges: the jobs that hold the keys are taken back, their payloads and the new ones become one each, and these are
 * enqueued in the same transaction, so nobody sees neither of the two.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { fromCause } from "../../../core/TaskError.ts"
import { JobInvalid, JobStoreUnavailable } from "../../JobError.ts"
import type { JobRequest } from "../../JobOptions.ts"
import { type Enqueued, JobStore, type NewJob } from "../../JobStore.ts"
import * as PayloadVersion from "../../PayloadVersion.ts"

interface Merging {
  readonly request: JobRequest
  readonly job: NewJob
  readonly key: string
  readonly merge: (held: never, next: never) => unknown
}

export const merged = Effect.fnUntraced(function*(requests: ReadonlyArray<JobRequest>, jobs: ReadonlyArray<NewJob>) {
  const store = yield* JobStore
  return yield* store.transaction(Effect.gen(function*() {
    const answers = new Map<number, Enqueued>()
    let todo = new Set(requests.keys())
    // where the holder changes between the look and the insert, the next round meets the new one
    for (let round = 0; todo.size > 0; round++) {
      if (round === rounds) return yield* tooBusy
      const rows = jobs.map((job, place) => answers.has(place) ? job : { ...job, after: known(job.after, answers) })
      const given = yield* attempt(requests, rows, todo)
      for (const [place, answer] of given) answers.set(place, answer)
      todo = yield* overtaken(requests, given)
    }
    return requests.flatMap((_, place) => answers.get(place) ?? [])
  }))
})

const rounds = 100

const tooBusy = new JobStoreUnavailable({
  operation: "merge",
  detail: "the holder of a unique key changed a hundred times while it was merged"
})

/** Places that have an answer are known by their ids. */
const known = (after: NewJob["after"], answers: ReadonlyMap<number, Enqueued>): NewJob["after"] =>
  after.map((edge) =>
    typeof edge.parent === "number" ? { ...edge, parent: answers.get(edge.parent)?.id ?? edge.parent } : edge
  )

/** Duplicates of a holder that came between and does not run: these are to be merged with it. */
const overtaken = Effect.fnUntraced(
  function*(requests: ReadonlyArray<JobRequest>, given: ReadonlyMap<number, Enqueued>) {
    const store = yield* JobStore
    const lost = Array.from(given).filter(([place, { duplicate }]) => duplicate && isMerging(requests[place]))
    const ids = new Set(Array.from(given.values()).filter(({ duplicate }) => !duplicate).map(({ id }) => id))
    const others = lost.filter(([, { id }]) => !ids.has(id))
    if (others.length === 0) return new Set<number>()
    const holders = new Map((yield* store.getMany(others.map(([, { id }]) => id))).map((job) => [job.id, job.state]))
    return new Set(others.filter(([, { id }]) => holders.get(id) !== "running").map(([place]) => place))
  }
)

const isMerging = (request: JobRequest | undefined) => typeof request?.options.unique?.onConflict === "object"

/** One round, for the places that are to do. */
const attempt = Effect.fnUntraced(function*(
  requests: ReadonlyArray<JobRequest>,
  jobs: ReadonlyArray<NewJob>,
  todo: ReadonlySet<number>
) {
  const store = yield* JobStore
  const merging = requests.map((request, place) => todo.has(place) ? mergingOf(request, jobs[place]) : undefined)
  const keys = Array.from(new Set(merging.flatMap((one) => one?.key ?? [])))
  const held = new Map((yield* store.supersede(keys)).map(({ job, key }) => [key, job]))
  // by key, the place of the one that takes up the others of the call
  const first = new Map<string, number>()
  const rows = [...jobs]
  for (const [place, one] of merging.entries()) {
    if (one === undefined) continue
    const into = first.get(one.key)
    const before = into === undefined ? held.get(one.key) : rows[into]
    first.set(one.key, into ?? place)
    if (before === undefined) continue
    const payload = yield* fold(one, before)
    rows[into ?? place] = { ...rows[into ?? place] ?? one.job, payload }
  }
  const sent = rows.flatMap((job, place) => {
    const one = merging[place]
    return todo.has(place) && (one === undefined || first.get(one.key) === place) ? [{ job, place }] : []
  })
  const places = new Map(sent.map(({ place }, at) => [place, at]))
  const answers = yield* store.enqueue(sent.map(({ job }) => ({ ...job, after: moved(job, places, merging, first) })))
  return new Map(
    Array.from(todo).flatMap((place): ReadonlyArray<readonly [number, Enqueued]> => {
      const one = merging[place]
      const taken = one === undefined ? place : first.get(one.key) ?? place
      const answer = answers[places.get(taken) ?? -1]
      return answer === undefined ? [] : [[place, taken === place ? answer : { ...answer, duplicate: true }]]
    })
  )
})

const mergingOf = (request: JobRequest, job: NewJob | undefined): Merging | undefined => {
  const onConflict = request.options.unique?.onConflict
  return typeof onConflict !== "object" || job === undefined || job.unique === null
    ? undefined
    : { request, job, key: job.unique.key, merge: onConflict.merge }
}

/** Places of the call, after some of it became one. */
const moved = (
  { after }: NewJob,
  places: ReadonlyMap<number, number>,
  merging: ReadonlyArray<Merging | undefined>,
  first: ReadonlyMap<string, number>
): NewJob["after"] =>
  after.map((edge) => {
    if (typeof edge.parent !== "number") return edge
    const one = merging[edge.parent]
    const taken = one === undefined ? edge.parent : first.get(one.key) ?? edge.parent
    return { ...edge, parent: places.get(taken) ?? edge.parent }
  })

const fold = Effect.fnUntraced(function*(
  { job, merge, request: { payload, task } }: Merging,
  held: { readonly payload: Schema.Json; readonly meta: NewJob["meta"] }
) {
  const refuse = (detail: string) => new JobInvalid({ task: task.name, detail })
  const before = yield* Effect.mapError(
    PayloadVersion.decode(task, held.meta.version ?? 1, held.payload),
    (error) => refuse(`the payload that it is to be merged with does not fit: ${error.detail}`)
  )
  const one = yield* Effect.try({
    // both are payloads of the task, for which the function was written
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- as said
    try: () => merge(before as never, payload as never),
    catch: (error) => refuse(`its merge failed: ${fromCause(Cause.fail(error)).message}`)
  })
  return yield* Effect.map(
    Effect.mapError(
      Schema.encodeUnknownEffect(Schema.toCodecJson(task.payload))(one),
      (error) => refuse(`the merged payload does not fit: ${error.message}`)
    ),
    (json): Schema.Json => json ?? job.payload
  )
})
