/**
 * BullMQ on its two backends. Completed jobs are removed: what its documentation advises for throughput.
 *
 * Redis: concurrency 150; 50, 200 and 2 x 100 were not better. Postgres: concurrency 16; 8, 25, 50, 100 and 150 were not better.
 */
import { type BullMq, bullMq } from "../../peers.ts"
import type { Driver, JobSystem, Payload } from "../JobSystem.ts"
import { inPostgres } from "../places/Postgres.ts"
import { openRedis } from "../places/Redis.ts"

const kept = { removeOnComplete: true, removeOnFail: true }

interface Backend {
  readonly connection: object
  readonly factory?: object
}

const postgres = (library: BullMq, url: string, max: number): Backend => ({
  connection: { connectionString: url, max, migrate: true },
  factory: library.createPostgresBackend
})

const makeQueue = (library: BullMq, { connection, factory }: Backend) => {
  const queue = new library.Queue("job", { connection, defaultJobOptions: kept }, factory)
  queue.on("error", () => {})
  return queue
}

/** BullMQ on a Redis of its own. */
export const bullMqSystem: JobSystem = {
  name: "bullmq",
  about: "Redis, append-only file flushed every second; concurrency 150, addBulk by 2,000, completed jobs removed",
  backlog: 15_000,
  place: () => openRedis(["bull:job:wait", "bull:job:active"]),
  driver: { module: "systems/bullMq.ts", name: "redis 150" }
}

/** BullMQ on Postgres, handling so many jobs at a time. */
export const bullMqPostgresSystem = (concurrency: number): JobSystem => ({
  name: "bullmq, postgres",
  about: `createPostgresBackend; concurrency ${concurrency}, addBulk by 2,000, completed jobs removed`,
  backlog: 10_000,
  place: inPostgres({
    name: "bullmq",
    prepare: async (_connection, url) => {
      const queue = makeQueue(await bullMq(), postgres(await bullMq(), url, 2))
      await queue.waitUntilReady()
      await queue.close()
    },
    left: "select exists (select from bullmq.job where state not in ('completed', 'failed')) as left"
  }),
  driver: { module: "systems/bullMq.ts", name: `postgres ${concurrency}` }
})

/** Opens the driver of a child process; the name says backend and concurrency. */
export const open = async (name: string, url: string): Promise<Driver> => {
  const [kind = "", words = ""] = name.split(" ")
  const concurrency = Number(words)
  const library = await bullMq()
  const { hostname, port } = new URL(url)
  const backend = kind === "postgres"
    ? postgres(library, url, concurrency)
    : { connection: { host: hostname, port: Number(port), maxRetriesPerRequest: null } }
  const queue = makeQueue(library, backend)
  await queue.waitUntilReady()
  let worker: { readonly close: () => Promise<void> } | undefined
  return {
    add: (job) => queue.add("job", job),
    bulk: async (jobs) => {
      for (let from = 0; from < jobs.length; from += 2000) {
        await queue.addBulk(jobs.slice(from, from + 2000).map((data) => ({ name: "job", data })))
      }
    },
    work: (onJob) =>
      new Promise((_, reject) => {
        const started = new library.Worker(
          "job",
          (job) => {
            onJob(job.data as Payload)
            return Promise.resolve()
          },
          { connection: backend.connection, concurrency },
          backend.factory
        )
        started.on("error", reject)
        worker = started
      }),
    close: async () => {
      await worker?.close()
      await queue.close()
    }
  }
}
