/**
 * Queues that people name when they enqueue. A job in one that nobody works on waits for ever, and with a unique key it
 * keeps all others with that key from running. So a name that nobody has heard of is refused, and one that nobody serves
 * just now is said.
 */
import * as Effect from "effect/Effect"
import * as Runtime from "effect/Runtime"
import * as Schema from "effect/Schema"
import type { JobId } from "../jobs/Job.ts"
import type { JobStoreUnavailable } from "../jobs/JobError.ts"
import { JobStore } from "../jobs/JobStore.ts"

/**
 * No worker serves the queue, and it holds no job.
 *
 * @category errors
 */
export class QueueUnheardOf extends Schema.TaggedError<QueueUnheardOf>()("QueueUnheardOf", {
  queue: Schema.String,
  /** Those that living workers serve. */
  served: Schema.Array(Schema.String)
}) {
  override get message() {
    const others = this.served.length === 0 ? "" : ` Queues with workers: ${this.served.join(", ")}`
    return `no worker serves queue "${this.queue}", and it holds no job: if it is meant, start a worker for it ` +
      `first, e.g. OSTINATO_QUEUES=${this.queue}=1.${others}`
  }
  override get [Runtime.errorExitCode]() {
    return 64
  }
}

/**
 * Fails where nobody has heard of the queue.
 *
 * @category guards
 */
export const check = Effect.fnUntraced(function*(
  queue: string
): Effect.fn.Return<void, QueueUnheardOf | JobStoreUnavailable, JobStore> {
  const store = yield* JobStore
  if ((yield* store.tasksOf(queue)).length > 0) return
  const served = new Set((yield* store.members).flatMap(({ serves }) => Object.keys(serves)))
  if (!served.has(queue)) return yield* new QueueUnheardOf({ queue, served: Array.from(served).sort() })
})

/**
 * The queue of a job that was just enqueued, where no living worker serves it for the task; null where one does, or where
 * that is not known.
 *
 * @category getters
 */
export const unserved = (id: JobId): Effect.Effect<string | null, never, JobStore> =>
  Effect.gen(function*() {
    const store = yield* JobStore
    const job = yield* store.get(id)
    const members = yield* store.members
    const isServed = job === null || members.some(({ serves }) => serves[job.queue]?.includes(job.task) === true)
    return isServed ? null : job.queue
  }).pipe(Effect.orElseSucceed(() => null))
