/**
 * The suite `jobs`: Ostinato's durable jobs, all features on and history kept, beside graphile-worker, pg-boss, BullMQ on both of its
 * backends, Effect's PersistedQueue and pgbench.
 */
import type { JobSystem } from "./JobSystem.ts"
import { measureDrain, measureLog } from "./measure/drain.ts"
import { measureEnqueue, measureUnique } from "./measure/enqueue.ts"
import { measureIdle } from "./measure/idle.ts"
import { measureLatency, type Where } from "./measure/latency.ts"
import { measurePgbench, type PgbenchScript } from "./measure/pgbench.ts"
import { measurePinned } from "./measure/pinned.ts"
import { measureWaiting } from "./measure/waiting.ts"
import type { Results } from "./results.ts"
import { type Options, type Row, runRows } from "./Row.ts"
import { insertScript } from "./shapes/limits.ts"
import { bullMqPostgresSystem, bullMqSystem } from "./systems/bullMq.ts"
import { base, baseAgain, classic } from "./systems/graphile.ts"
import { ostinatoSystem } from "./systems/ostinato.ts"
import { claimAndFinish, inserts } from "./systems/ostinatoSql.ts"
import { persistedQueueSystem } from "./systems/persistedQueue.ts"
import { pgBossSystem } from "./systems/pgBoss.ts"

const bullMqPostgres = bullMqPostgresSystem(16)
const peers = [base, baseAgain, classic, pgBossSystem, bullMqSystem, bullMqPostgres, persistedQueueSystem]

const rows = (quick: boolean): ReadonlyArray<Row> => {
  const part = quick ? 10 : 1
  const named = (system: JobSystem) => ({ name: system.name, about: system.about, base: base.name })
  const drain = (system: JobSystem, processes = 1): Row => ({
    ...named(system),
    part: "drain",
    ...(processes === 1
      ? {}
      : { name: `${system.name}, ${processes} processes`, base: `${base.name}, ${processes} processes` }),
    measure: (server) => measureDrain(server, system, system.backlog / part, processes)
  })
  const enqueue = (system: JobSystem): Row => ({
    ...named(system),
    part: "enqueue",
    measure: (server) => measureEnqueue(server, system, quick)
  })
  const latency = (system: JobSystem, where: Where, rate: number): Row => ({
    ...named(system),
    part: "latency",
    name: `${system.name}, ${where}, ${rate.toLocaleString("en-US")}/s`,
    measure: (server) => measureLatency(server, system, where, rate, quick ? 1 : 5)
  })
  const log = (system: JobSystem): Row => ({
    ...named(system),
    part: "log",
    once: true,
    measure: (server) => measureLog(server, system, system.backlog / part)
  })
  const limit = (name: string, about: string, script: PgbenchScript): Row => ({
    part: "drain",
    name,
    about,
    base: base.name,
    measure: (server) => measurePgbench(server, script, base.backlog / part)
  })
  const ours = named(ostinatoSystem)
  const distinct = [...peers.filter((system) => system !== baseAgain), ostinatoSystem]
  return [
    ...[...peers, ostinatoSystem].map((system) => drain(system)),
    limit("pgbench: claim and finish", "Ostinato's claim, then complete, 1,000 jobs each, 1 client", claimAndFinish),
    limit("pgbench: enqueue", "Ostinato's enqueue, 1,000 jobs per statement, 1 client", inserts),
    limit("pgbench: insert", "one table, one index besides its key, 1,000 rows per statement, 1 client", insertScript),
    drain(base, 2),
    drain(ostinatoSystem, 2),
    ...distinct.filter((system) => system !== classic).map(enqueue),
    { ...ours, part: "unique", measure: (server) => measureUnique(server, ostinatoSystem, 50_000) },
    ...distinct.map((system) => latency(system, "two processes", 100)),
    latency(ostinatoSystem, "two processes", 10_000),
    latency(ostinatoSystem, "same process", 100),
    ...distinct.map(log),
    {
      ...ours,
      part: "waiting",
      once: true,
      measure: (server) => measureWaiting(server, ostinatoSystem, 1_000_000 / part, quick)
    },
    { ...ours, part: "pinned", once: true, measure: (server) => measurePinned(server, ostinatoSystem, quick) },
    { ...ours, part: "idle", once: true, measure: () => measureIdle(ostinatoSystem, quick ? 5 : 20, quick ? 5 : 30) }
  ]
}

/** The peers that it needs. */
export const jobPeers = ["bullmq", "graphile-worker", "ioredis", "pg", "pg-boss"]

/** Runs the suite. */
export const runJobs = (options: Options): Promise<Results> => runRows("jobs", rows(options.quick), jobPeers, options)
