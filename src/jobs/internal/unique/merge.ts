/**
 * Typed merges: the jobs that hold the keys are taken back, their payloads and the new ones become one each, and these are
 * enqueued in the same transaction, so nobody sees neither of the two.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { fromCause } from "../../../core/TaskError.ts"
import { JobInvalid } from "../../JobError.ts"
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
  const merging = requests.map((request, place) => mergingOf(request, jobs[place]))
  const keys = Array.from(new Set(merging.flatMap((one) => one?.key ?? [])))
  return yield* store.transaction(Effect.gen(function*() {
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
      return one === undefined || first.get(one.key) === place ? [{ job, place }] : []
    })
    const places = new Map(sent.map(({ place }, at) => [place, at]))
    const answers = yield* store.enqueue(sent.map(({ job }) => ({ ...job, after: moved(job, places, merging, first) })))
    return rows.flatMap((_, place): ReadonlyArray<Enqueued> => {
      const one = merging[place]
      const taken = one === undefined ? place : first.get(one.key) ?? place
      const answer = answers[places.get(taken) ?? -1]
      return answer === undefined ? [] : [taken === place ? answer : { ...answer, duplicate: true }]
    })
  }))
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
