/**
 * Jobs as they come and change, for whoever watches.
 *
 * The first element is the newest jobs of the filter, all of them, every later one those that are new or differ, and which
 * of those before the filter no longer finds, or newer ones have pushed out; at most four a second. Who falls behind gets the
 * newest state and not every one in between. A store that does not answer is asked again with the next change.
 *
 *   begin --> reset: take this in place of what you have --> jobs: these are new or differ, those have left --> jobs …
 *   begin with the id of the last element --nothing has changed--> jobs …, otherwise as above
 *
 * An element's id says what was to be seen when it was made, so it is good on every node and after a restart, and no
 * history is kept: who comes back either has missed nothing, or is told to begin anew.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { createHash } from "node:crypto"
import { Job, type JobId } from "../jobs/Job.ts"
import * as JobFilter from "../jobs/JobFilter.ts"
import { JobStore } from "../jobs/JobStore.ts"
import * as Redaction from "./Redaction.ts"

/**
 * @category models
 */
export interface Change {
  /** `reset`: these are all that there are; what was told before is void. `jobs`: these are new or differ. */
  readonly event: "reset" | "jobs"
  readonly id: string
  readonly jobs: ReadonlyArray<Job>
  /** What was told before and is no longer among what is watched. */
  readonly left: ReadonlyArray<JobId>
}

/**
 * Watches the newest `limit` jobs that the filter finds. `last` is the id of the element that was seen last.
 *
 * @category constructors
 */
export const watch = Effect.fnUntraced(function*(filter: JobFilter.JobFilter, limit: number, last?: string) {
  const store = yield* JobStore
  const hide = yield* Redaction.Redaction
  let told = new Map<JobId, string>()
  const look = Effect.gen(function*() {
    const jobs = yield* Effect.forEach(
      yield* store.query({ filter, before: null, limit }),
      (job) => Effect.provideService(Redaction.job(job), Redaction.Redaction, hide)
    )
    const now = new Map<JobId, string>()
    for (const job of jobs) now.set(job.id, yield* Effect.orDie(encode(job)))
    const changed = jobs.filter(({ id }) => told.get(id) !== now.get(id))
    const left = Array.from(told.keys()).filter((id) => !now.has(id))
    told = now
    return { id: digest(`${JobFilter.format(filter)}\n${limit}`, now), jobs: changed, left }
  })
  // whether the first look succeeds decides whether there is anything to watch
  const first = yield* look
  const begin = first.id === last ? Stream.empty : Stream.succeed<Change>({ event: "reset", ...first })
  return Stream.concat(
    begin,
    store.changes.pipe(
      Stream.buffer({ capacity: 1, strategy: "sliding" }),
      Stream.mapEffect(() => Effect.catch(look, (error) => Effect.as(Effect.logWarning(error.message), nothing))),
      Stream.filter(({ jobs, left }) => jobs.length > 0 || left.length > 0),
      Stream.map((change): Change => ({ event: "jobs", ...change }))
    )
  )
})

const nothing: Omit<Change, "event"> = { id: "", jobs: [], left: [] }

const encode = Schema.encodeEffect(Schema.fromJsonString(Schema.toCodecJson(Job)))

const digest = (asked: string, seen: ReadonlyMap<JobId, string>) => {
  const hash = createHash("sha256").update(asked)
  for (const job of seen.values()) hash.update("\n").update(job)
  return hash.digest("hex").slice(0, 32)
}
