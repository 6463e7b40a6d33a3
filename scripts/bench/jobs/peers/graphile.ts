/**
 * graphile-worker with its documented preset for throughput: the base of the jobs suite.
 *
 * Also tried elsewhere and not better: local queue of 1000, 100 concurrent jobs over a queue of 2000, no local queue.
 */
import { type Graphile, graphile, pg } from "../../peers.ts"
import type { Driver, JobSystem } from "../JobSystem.ts"

const silent = (library: Graphile) => new library.Logger(() => () => {})

/** The system, under any row label: the same configuration under two names is the A/A check. */
export const graphileSystem = (name: string, about: string): JobSystem => ({
  name,
  about,
  backlog: 50_000,
  prepare: async (_connection, url) => {
    const library = await graphile()
    await library.runMigrations({ connectionString: url, logger: silent(library) })
  },
  left: "select exists (select from graphile_worker._private_jobs) as left",
  driver: { module: "peers/graphile.ts", name }
})

/** Opens the driver of a child process. */
export const open = async (_name: string, url: string): Promise<Driver> => {
  const library = await graphile()
  const { Pool } = await pg()
  const pool = new Pool({ connectionString: url, max: 25 })
  pool.on("error", () => {})
  const logger = silent(library)
  let runner: { readonly stop: () => Promise<void> } | undefined
  return {
    bulk: async (jobs) => {
      const utils = await library.makeWorkerUtils({ pgPool: pool, logger })
      for (let from = 0; from < jobs.length; from += 5000) {
        await utils.addJobs(jobs.slice(from, from + 5000).map((payload) => ({ identifier: "job", payload })))
      }
      await utils.release()
    },
    work: async (onJob) => {
      runner = await library.run({
        pgPool: pool,
        noHandleSignals: true,
        logger,
        taskList: {
          job: (payload: { readonly n: number }) => {
            onJob(payload.n)
            return Promise.resolve()
          }
        },
        preset: {
          extends: [library.WorkerPreset],
          worker: {
            concurrentJobs: 24,
            maxPoolSize: 25,
            localQueue: { size: 500 },
            completeJobBatchDelay: 0,
            failJobBatchDelay: 0,
            logger
          }
        }
      })
    },
    close: async () => {
      await runner?.stop()
      await pool.end()
    }
  }
}
