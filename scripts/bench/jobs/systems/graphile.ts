/**
 * graphile-worker in two configurations: its documented preset for throughput, which is the base of the suite, and classic.
 *
 * Also tried elsewhere and not better: local queue of 1000, 100 concurrent jobs over a queue of 2000; classic with 4 and with 24.
 */
import { type Graphile, graphile, pg } from "../../peers.ts"
import type { Driver, JobSystem, Payload } from "../JobSystem.ts"
import { inPostgres } from "../places/Postgres.ts"
import { again } from "../results.ts"

const silent = (library: Graphile) => new library.Logger(() => () => {})

const modes = {
  preset: {
    concurrentJobs: 24,
    maxPoolSize: 25,
    localQueue: { size: 500 },
    completeJobBatchDelay: 0,
    failJobBatchDelay: 0
  },
  classic: { concurrentJobs: 10, maxPoolSize: 11 }
} as const

const graphileSystem = (name: string, about: string, mode: keyof typeof modes, backlog: number): JobSystem => ({
  name,
  about,
  backlog,
  place: inPostgres({
    name: `graphile ${mode}`,
    prepare: async (_connection, url) => {
      const library = await graphile()
      await library.runMigrations({ connectionString: url, logger: silent(library) })
    },
    left: "select exists (select from graphile_worker._private_jobs) as left"
  }),
  driver: { module: "systems/graphile.ts", name: mode }
})

/** The base of the suites. */
export const base = graphileSystem(
  "graphile",
  "documented preset: 24 concurrent, local queue 500, batched completion; keeps no history",
  "preset",
  100_000
)

/** The base under a second name: the A/A check. */
export const baseAgain = graphileSystem(
  again(base.name),
  "the base under a second name: its distance from 1 is the noise",
  "preset",
  100_000
)

/** Without the local queue. */
export const classic = graphileSystem(
  "graphile, classic",
  "10 concurrent, no local queue, no batches; keeps no history",
  "classic",
  3000
)

/** Opens the driver of a child process. */
export const open = async (name: string, url: string): Promise<Driver> => {
  const mode = name === "classic" ? "classic" : "preset"
  const library = await graphile()
  const { Pool } = await pg()
  const pool = new Pool({ connectionString: url, max: 25 })
  pool.on("error", () => {})
  const logger = silent(library)
  const utils = await library.makeWorkerUtils({ pgPool: pool, logger })
  let runner: { readonly stop: () => Promise<void> } | undefined
  return {
    add: (job) => utils.addJob("job", job),
    bulk: async (jobs) => {
      for (let from = 0; from < jobs.length; from += 5000) {
        await utils.addJobs(jobs.slice(from, from + 5000).map((payload) => ({ identifier: "job", payload })))
      }
    },
    work: async (onJob) => {
      runner = await library.run({
        pgPool: pool,
        noHandleSignals: true,
        logger,
        taskList: {
          job: (payload: Payload) => {
            onJob(payload)
            return Promise.resolve()
          }
        },
        preset: { extends: [library.WorkerPreset], worker: { ...modes[mode], logger } }
      })
    },
    close: async () => {
      await runner?.stop()
      await utils.release()
      await pool.end()
    }
  }
}
