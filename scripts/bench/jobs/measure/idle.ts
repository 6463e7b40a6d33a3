/**
 * One measurement: statements a second of an idle worker process, counted by `pg_stat_statements` on a server of its own.
 *
 * Every statement that reaches the server counts, those of transactions and of the heartbeat's own connection too.
 */
import { benchSettings, startServer } from "../../../postgres.ts"
import { withConnection } from "../../peers.ts"
import type { JobSystem } from "../JobSystem.ts"
import { sleep, withBench } from "./children.ts"

/** Statements of the measured database; whoever asks is connected to another. */
const counted =
  "select coalesce(sum(calls), 0)::int as calls from pg_stat_statements where dbid <> (select oid from pg_database where datname = current_database())"

/** Measures one system once, for so many seconds after `settle`. */
export const measureIdle = async (system: JobSystem, settle: number, seconds: number) => {
  const server = await startServer({
    ...benchSettings,
    shared_preload_libraries: "pg_stat_statements",
    "pg_stat_statements.track_utility": "on"
  })
  try {
    return await withBench(
      server,
      system,
      async ({ place, start }) =>
        withConnection(server.url("postgres"), async (connection) => {
          await connection.query("create extension pg_stat_statements")
          const worker = await start()
          worker.send({ tag: "work", jobs: 1, alone: true })
          await sleep(settle * 1000)
          await connection.query("select pg_stat_statements_reset()")
          const cpu = place.cpuSeconds()
          await sleep(seconds * 1000)
          const { rows } = await connection.query(counted)
          const used = place.cpuSeconds() - cpu
          const report = worker.next("report", 10_000)
          worker.send({ tag: "report" })
          const { cpuSeconds } = await report
          return {
            queriesPerSecond: Number(rows[0]?.["calls"]) / seconds,
            serverCpuPercent: used / seconds * 100,
            workerCpuPercent: cpuSeconds / (settle + seconds) * 100
          }
        })
    )
  } finally {
    await server.stop()
  }
}
