/**
 * Jobs as they come and change, for whoever watches.
 *
 * The first element is the newest jobs of the filter, every later one those of them that are new or differ; at most four
 * a second. Who falls behind gets the newest state and not every one in between. A store that does not answer is asked
 * again with the next change.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { Job } from "../jobs/Job.ts"
import type { JobFilter } from "../jobs/JobFilter.ts"
import { JobStore } from "../jobs/JobStore.ts"
import * as Redaction from "./Redaction.ts"

/**
 * Watches the newest `limit` jobs that the filter finds.
 *
 * @category constructors
 */
export const watch = Effect.fnUntraced(function*(filter: JobFilter, limit: number) {
  const store = yield* JobStore
  const hide = yield* Redaction.Redaction
  let told = new Map<string, string>()
  const look = Effect.gen(function*() {
    const jobs = yield* Effect.forEach(
      yield* store.query({ filter, before: null, limit }),
      (job) => Effect.provideService(Redaction.job(job), Redaction.Redaction, hide)
    )
    const now = new Map<string, string>()
    for (const job of jobs) now.set(job.id, yield* Effect.orDie(encode(job)))
    const changed = jobs.filter(({ id }) => told.get(id) !== now.get(id))
    told = now
    return changed
  })
  // whether the first look succeeds decides whether there is anything to watch
  const first = yield* look
  return Stream.concat(
    Stream.succeed(first),
    store.changes.pipe(
      Stream.buffer({ capacity: 1, strategy: "sliding" }),
      Stream.mapEffect(() =>
        Effect.catch(look, (error) => Effect.as(Effect.logWarning(error.message), new Array<Job>()))
      ),
      Stream.filter((changed) => changed.length > 0)
    )
  )
})

const encode = Schema.encodeEffect(Schema.fromJsonString(Schema.toCodecJson(Job)))
