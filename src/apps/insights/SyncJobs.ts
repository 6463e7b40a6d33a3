/**
 * How collections become jobs: each place that the service looks at has a queue of its own, so that only processes which
 * look at the same place take its jobs; and of one repository at most one job is there at a time, whoever asks for it.
 */
import { createHash } from "node:crypto"
import { JobQueue } from "ostinato/jobs"

// jobs of one place that run at once in one process: its own, and one that somebody asked for
const atOnce = 2

/** The queue of a place. A name that a list of queues could not hold is told by its hash. */
export const queueOf = (place: string): string =>
  /^[^\s=,\p{Cc}]{1,110}$/u.test(place)
    ? `insights:${place}`
    : `insights:${createHash("sha256").update(place).digest("hex").slice(0, 32)}`

/** The queues of these places, for a worker. */
export const queues = (places: ReadonlyArray<string>) =>
  Object.fromEntries(places.map((place) => [queueOf(place), { concurrency: atOnce }]))

/**
 * The queue of a repository: that of the place it is, or is below. A repository of none of them belongs to another service,
 * which has it in a queue of its own.
 */
export const queueAmong = (places: ReadonlyArray<string>, repository: string): string => {
  const [nearest] = places
    .filter((place) => repository === place || repository.startsWith(place.endsWith("/") ? place : `${place}/`))
    .sort((a, b) => b.length - a.length)
  return queueOf(nearest ?? repository)
}

/** The same repository twice is one job, until it is done. */
export const unique = { by: ["repository"], until: "done" } as const

/**
 * Enqueues collections into this queue. One that waits already, also for a later time, becomes this one and is due as this
 * one is; one that runs is this one.
 */
export const dispatch = (queue: string) => JobQueue.dispatch({ queue, unique: { ...unique, onConflict: "replace" } })

/** The same for those that ask for less: one that waits already keeps what it is to do. */
export const dispatchDaily = (queue: string) =>
  JobQueue.dispatch({ queue, unique: { ...unique, onConflict: "reschedule" } })
