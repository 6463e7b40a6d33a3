/**
 * Ostinato's durable jobs by their public parts: `JobQueue`, `JobWorker` and the Postgres store, everything on, history kept, settings
 * left at their defaults but for the concurrency of the queue.
 *
 * Handlers have their Scope, their limit and their log; the lease is kept by a thread; maintenance runs in every process that works.
 */
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Supervisor from "../../../../src/core/Supervisor.ts"
import * as Task from "../../../../src/core/Task.ts"
import * as JobQueue from "../../../../src/jobs/JobQueue.ts"
import { JobStore } from "../../../../src/jobs/JobStore.ts"
import * as JobWorker from "../../../../src/jobs/JobWorker.ts"
import * as Postgres from "../../../../src/jobs/stores/Postgres.ts"
import { Database } from "../../../../src/store/Database.ts"
import * as Lease from "../../../../src/store/Lease.ts"
import * as Migration from "../../../../src/store/Migration.ts"
import { Notifier } from "../../../../src/store/Notifier.ts"
import { callingBy } from "../callers.ts"
import type { Driver, JobSystem, Payload } from "../JobSystem.ts"
import { monotonic } from "../measure/monotonic.ts"
import { inPostgres, type PostgresNeeds } from "../places/Postgres.ts"

const queue = "bench"

const Noop = Task.make("bench.noop", { payload: { n: Schema.Finite, t: Schema.Finite, s: Schema.String } })

const member = { node: "bench", info: {}, serves: { [queue]: [Noop.name] } }

const database = (url: string) =>
  Database.layer({ url: Redacted.make(url), directory: "." }).pipe(Layer.provide(NodeServices.layer))

const connect = (url: string) =>
  ManagedRuntime.make(
    Postgres.layer().pipe(
      Layer.provideMerge(Notifier.layer()),
      Layer.provideMerge(Supervisor.layer),
      Layer.provideMerge(database(url))
    )
  )

/** Its tables, with the days that upkeep makes once a day. */
export const ostinatoDatabase: PostgresNeeds = {
  name: "ostinato",
  prepare: async (_connection, url) => {
    const runtime = ManagedRuntime.make(database(url))
    for (const line of [Lease.migrations, Postgres.migrations]) await runtime.runPromise(Migration.run(line))
    await runtime.dispose()
    const store = connect(url)
    await store.runPromise(Effect.flatMap(JobStore, ({ prune }) => prune({})))
    await store.dispose()
  },
  left: "select exists (select from ostinato.ready) or exists (select from ostinato.later) as left"
}

/** The system. */
export const ostinatoSystem: JobSystem = {
  name: "ostinato",
  about:
    "JobQueue, JobWorker and the Postgres store; concurrency 50, the rest default; history kept; new space of 8 MB",
  backlog: 100_000,
  place: inPostgres(ostinatoDatabase),
  driver: { module: "systems/ostinato.ts", name: "ostinato", flags: ["--max-semi-space-size=8"] }
}

/** Opens the driver of a child process. */
export const open = async (_name: string, url: string): Promise<Driver> => {
  const runtime = connect(url)
  const context = await runtime.context()
  const run = Effect.runPromiseWith(context)
  const inBatches = (jobs: ReadonlyArray<Payload>, request: (job: Payload) => ReturnType<typeof JobQueue.job>) =>
    run(Effect.gen(function*() {
      for (let from = 0; from < jobs.length; from += 1000) {
        yield* JobQueue.enqueueAll(jobs.slice(from, from + 1000).map(request))
      }
    }))
  let leave = () => Promise.resolve()
  let worker: ManagedRuntime.ManagedRuntime<JobWorker.JobWorker, unknown> | undefined
  return {
    add: (job) => run(JobQueue.enqueue(Noop, job, { queue })),
    call: (callers, next) => run(callingBy((job) => JobQueue.enqueue(Noop, job, { queue }), callers, next)),
    bulk: (jobs) => inBatches(jobs, (job) => JobQueue.job(Noop, job, { queue })),
    unique: (jobs) => inBatches(jobs, (job) => JobQueue.job(Noop, job, { queue, unique: { by: ["n"] } })),
    // the thread that keeps leases is started for the first member of a process
    prepare: async () => {
      const scope = await run(Scope.make())
      await run(Effect.flatMap(JobStore, (store) => Scope.provide(store.join(member), scope)))
      leave = () => run(Scope.close(scope, Exit.void))
    },
    work: async (onJob) => {
      worker = ManagedRuntime.make(
        JobWorker.layer({ queues: { [queue]: { concurrency: 50 } }, tasks: [Noop] }).pipe(
          Layer.provide(Noop.toLayer((job) => Effect.sync(() => onJob(job)))),
          Layer.provide(Layer.succeedContext(context))
        )
      )
      await worker.runPromise(JobWorker.JobWorker)
    },
    claims: (rounds, batch) =>
      run(Effect.scoped(Effect.gen(function*() {
        const store = yield* JobStore
        const joined = yield* store.join(member)
        const times: Array<number> = []
        for (let round = 0; round < rounds; round++) {
          const requests = Array.from({ length: batch }, (_, n) => JobQueue.job(Noop, { n, t: 0, s: "" }, { queue }))
          yield* JobQueue.enqueueAll(requests)
          const start = monotonic()
          const claimed = yield* store.claim(joined, queue, batch)
          times.push(monotonic() - start)
          if (claimed.length !== batch) throw new Error(`${claimed.length} of ${batch} jobs were claimed`)
          yield* store.finish(joined, claimed.map((job) => ({ ...completed, job })))
        }
        return times
      }))),
    close: async () => {
      await worker?.dispose()
      await leave()
      await runtime.dispose()
    }
  }
}

const completed = {
  outcome: "completed",
  delayMs: 0,
  output: undefined,
  report: null,
  failure: null,
  note: null,
  logs: []
} as const
