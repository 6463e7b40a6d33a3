/** Child processes of one measurement on one fresh place: all of them are gone, and the place is, when it ends. */
import type { Server } from "../../../postgres.ts"
import type { JobSystem } from "../JobSystem.ts"
import type { Place } from "../places/Place.ts"
import { startWorker, type Worker } from "../process.ts"

/** What a measurement works with. */
export interface Bench {
  readonly place: Place
  /** Starts a child process with the system's driver. */
  readonly start: () => Promise<Worker>
  /** Starts one that will work, and is ready to. */
  readonly startWorker: () => Promise<Worker>
  /** Ends one before the measurement does. */
  readonly end: (worker: Worker) => Promise<void>
}

/** Lends a fresh place and children. */
export const withBench = async <A>(
  server: Server,
  system: JobSystem,
  use: (bench: Bench) => Promise<A>,
  label?: string
): Promise<A> => {
  const place = await system.place(server, label)
  const workers = new Set<Worker>()
  const start = async () => {
    const worker = await startWorker(system.driver, place.url)
    workers.add(worker)
    return worker
  }
  try {
    return await use({
      place,
      start,
      startWorker: async () => {
        const worker = await start()
        const prepared = worker.next("prepared", 20_000)
        worker.send({ tag: "prepare" })
        await prepared
        return worker
      },
      end: async (worker) => {
        workers.delete(worker)
        await worker.close()
      }
    })
  } finally {
    await Promise.all(Array.from(workers, (worker) => worker.close()))
    await place.close()
  }
}

/** Waits. */
export const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))
