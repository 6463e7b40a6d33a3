/**
 * The suite `jobs`: the room's shape, the guide's schema part by part and the prototypes, beside graphile-worker, pg-boss and pgbench.
 *
 * First the promises of the room's statements are checked, then every row is measured in every repetition.
 */
import { benchSettings, type Server, startServer } from "../../postgres.ts"
import { interleave } from "../interleave.ts"
import { load, machine, versions } from "../machine.ts"
import { withConnection } from "../peers.ts"
import { type Drained, makeTemplate, measureBacklog } from "./backlog.ts"
import type { JobSystem } from "./JobSystem.ts"
import { shapes } from "./ours/shapes.ts"
import { oursSystem } from "./ours/system.ts"
import { graphileSystem } from "./peers/graphile.ts"
import { measurePgbench } from "./peers/pgbench.ts"
import { pgBossSystem } from "./peers/pgBoss.ts"
import { killAll } from "./process.ts"
import type { Measured, Results } from "./results.ts"
import { verify } from "./verify.ts"

/** What a run may be told. */
export interface Options {
  /** Repetitions, at least 1; verdicts need 5 or more, odd. */
  readonly repetitions: number
  /** Backlogs of a tenth: to see that everything works, not to compare. */
  readonly quick: boolean
  /** Only rows whose name starts with one of these; empty = all. */
  readonly only: ReadonlyArray<string>
  readonly say: (line: string) => void
}

interface Row {
  readonly name: string
  readonly about: string
  readonly group: Measured["group"]
  readonly measure: (server: Server) => Promise<Drained>
}

const base = graphileSystem(
  "graphile",
  "documented preset: 24 concurrent, local queue 500, batched completion; keeps no history"
)
const again = graphileSystem("graphile (A/A)", "the base under a second name: its distance from 1 is the noise")
const ours = shapes.map(oursSystem)

const rows = (quick: boolean): ReadonlyArray<Row> => {
  const size = (system: JobSystem) => system.backlog / (quick ? 10 : 1)
  const drain = (system: JobSystem, group: Measured["group"], processes = 1): Row => ({
    name: processes === 1 ? system.name : `${system.name}, ${processes} processes`,
    about: system.about,
    group,
    measure: (server) => measureBacklog(server, system, size(system), processes, load)
  })
  const limit = (name: string, about: string, script: "hot" | "room" | "insert", on: string): ReadonlyArray<Row> => {
    const system = ours.find((candidate) => candidate.name === on)
    return system === undefined ? [] : [{
      name,
      about,
      group: "limit",
      measure: (server) => measurePgbench(server, system, script, size(system), load)
    }]
  }
  const room = ours.filter((system) => system.name === "room")
  return [
    drain(base, "peer"),
    drain(again, "peer"),
    drain(pgBossSystem, "peer"),
    ...ours.map((system) =>
      drain(system, system.name.startsWith("room") ? "room" : system.name.startsWith("guide") ? "guide" : "prototype")
    ),
    ...limit("pgbench: room", "the room's claim, then complete, 1 client", "room", "room"),
    ...limit("pgbench: eff-hot", "the prototype's claim, then delete, 1 client", "hot", "eff-hot"),
    ...limit("pgbench: insert", "the prototype's table, 1000 rows per statement, 1 client", "insert", "eff-hot"),
    drain(base, "two", 2),
    ...room.map((system) => drain(system, "two", 2))
  ]
}

const serverVersion = (server: Server) =>
  withConnection(server.url("postgres"), async (connection) => {
    const answer = await connection.query("show server_version")
    return String(answer.rows[0]?.["server_version"])
  })

const line = (
  name: string,
  { failure, insertsPerSecond, jobsPerSecond, load: before, serverCpuPer100k }: Drained
): string =>
  failure === undefined
    ? `${name.padEnd(24)} ${String(Math.round(jobsPerSecond ?? insertsPerSecond ?? 0)).padStart(8)}/s  server CPU ${
      (serverCpuPer100k ?? 0).toFixed(2)
    } s/100k  load ${before.toFixed(2)}`
    : `${name.padEnd(24)} FAILED: ${failure}`

/** Runs the suite on a server of its own, which is gone afterwards, whatever happens. */
export const runJobs = async (options: Options): Promise<Results> => {
  const server = await startServer(benchSettings)
  const interrupted = () => {
    killAll()
    void server.stop().finally(() => process.exit(130))
  }
  process.once("SIGINT", interrupted)
  process.once("SIGTERM", interrupted)
  try {
    const started = new Date()
    const chosen = rows(options.quick).filter(({ name }) =>
      options.only.length === 0 || options.only.some((prefix) => name.startsWith(prefix))
    )
    for (const system of [base, again, pgBossSystem, ...ours]) await makeTemplate(server, system)
    const facts: Array<string> = []
    for (const system of ours.filter((candidate) => candidate.name === "room")) {
      facts.push(...await verify(server, system))
    }
    options.say(`verified: ${facts.length} facts of the room's statements hold`)
    const measured = await interleave(chosen, options.repetitions, async (row, repetition) => {
      const drained = await row.measure(server)
      options.say(`${repetition + 1}/${options.repetitions} ${line(row.name, drained)}`)
      return drained
    })
    return {
      suite: "jobs",
      date: started.toISOString().slice(0, 10),
      minutes: (Date.now() - started.getTime()) / 60_000,
      quick: options.quick,
      repetitions: options.repetitions,
      machine: machine(),
      versions: versions(["graphile-worker", "pg", "pg-boss"], await serverVersion(server)),
      settings: benchSettings,
      facts,
      base: base.name,
      rows: [...measured].map(([{ about, group, name }, repetitions]) => ({ name, about, group, repetitions }))
    }
  } finally {
    process.off("SIGINT", interrupted)
    process.off("SIGTERM", interrupted)
    killAll()
    await server.stop()
  }
}
