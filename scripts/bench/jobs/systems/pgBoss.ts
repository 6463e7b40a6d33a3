/**
 * pg-boss in the best configuration found for a backlog: two loops of 1000, bursting while batches are full.
 *
 * Also tried elsewhere and not better: 500 by 2, 2000 by 1, 500 by 4.
 */
import { pgBoss } from "../../peers.ts"
import type { Driver, JobSystem, Payload } from "../JobSystem.ts"
import { inPostgres } from "../places/Postgres.ts"

const connect = async (url: string) => {
  const { PgBoss } = await pgBoss()
  const boss = new PgBoss({
    connectionString: url,
    max: 10,
    supervise: false,
    schedule: false,
    useListenNotify: true
  })
  boss.on("error", () => {})
  await boss.start()
  return boss
}

/** The system. */
export const pgBossSystem: JobSystem = {
  name: "pg-boss",
  about: "batchSize 1000 x 2, burstWhenBatchFull, LISTEN; completed rows stay in its table",
  backlog: 30_000,
  place: inPostgres({
    name: "pg-boss",
    prepare: async (_connection, url) => {
      const boss = await connect(url)
      await boss.createQueue("job", { notify: true })
      await boss.stop({ graceful: false, close: true })
    },
    left: "select exists (select from pgboss.job where name = 'job' and state < 'completed') as left"
  }),
  driver: { module: "systems/pgBoss.ts", name: "pg-boss" }
}

/** Opens the driver of a child process. */
export const open = async (_name: string, url: string): Promise<Driver> => {
  const boss = await connect(url)
  return {
    add: (job) => boss.send("job", job),
    bulk: async (jobs) => {
      for (let from = 0; from < jobs.length; from += 5000) {
        await boss.insert("job", jobs.slice(from, from + 5000).map((data) => ({ data })))
      }
    },
    work: async (onJob) => {
      await boss.work(
        "job",
        { batchSize: 1000, localConcurrency: 2, burstWhenBatchFull: true, pollingIntervalSeconds: 0.5 },
        (batch) => {
          for (const job of batch) onJob(job.data as Payload)
          return Promise.resolve()
        }
      )
    },
    close: async () => {
      await boss.stop({ graceful: true, close: true, timeout: 5000 })
    }
  }
}
