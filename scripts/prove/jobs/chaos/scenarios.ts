/**
 * What an independent comparison of job queues on Postgres does to them, one harm at a time; most queues lose jobs, or stop,
 * in one or the other. Each harm goes on while jobs are enqueued and run.
 */
import * as Effect from "effect/Effect"
import { setTimeout as sleep } from "node:timers/promises"
import { onlooker } from "../../onlooker.ts"
import type { Window } from "../../processes.ts"
import type { Dealt } from "../causes.ts"
import type { Rig, Setting } from "../rig.ts"
import { program, startPooler } from "./pooler.ts"

/** One harm. */
export interface Scenario {
  readonly name: string
  /** A Debian package that it needs and that is not there; undefined: nothing is missing. */
  readonly lacks: string | undefined
  readonly front?: Setting["front"]
  /** Does it for `harmMs`, and tells what explains that jobs ran again. */
  readonly harm: (rig: Rig, places: ReadonlyArray<string>) => Promise<Dealt>
}

/** Milliseconds for which jobs are enqueued, and harm is done. */
export const harmMs = 20_000

const nothing: Dealt = { restarts: [], holes: [], cuts: [] }

const restarts: Scenario = {
  name: "Postgres restarted 4 times, twice without a shutdown",
  lacks: undefined,
  harm: async ({ server }) => {
    const restarts: Array<Window> = []
    for (const how of ["fast", "immediate", "fast", "immediate"] as const) {
      await sleep(harmMs / 5)
      const from = Date.now()
      await server.restart(how, 1000)
      restarts.push({ from, until: Date.now() })
    }
    return { ...nothing, restarts }
  }
}

const kills: Scenario = {
  name: "backends of all processes killed every 250 ms, one role after the other",
  lacks: undefined,
  harm: async ({ onlooker: { tell } }, places) => {
    const cuts: Array<Dealt["cuts"][number]> = []
    const roles = ["user", "control", "heartbeat", "listener"]
    for (let n = 0; n < harmMs / 250; n++) {
      const like = `ostinato:${roles[n % roles.length]!}:%`
      const at = Date.now()
      await tell((sql) =>
        sql`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE ${like}`
      )
      cuts.push(...places.map((place) => ({ at, place })))
      await sleep(250)
    }
    return { ...nothing, cuts }
  }
}

/** A session that opens a transaction, looks at the jobs, and keeps what it saw. */
const reader = async ({ server }: Rig, isolation: "READ COMMITTED" | "REPEATABLE READ", ms: number) => {
  const { dispose, tell } = onlooker(server.url("postgres"))
  await tell((sql) =>
    sql.withTransaction(Effect.gen(function*() {
      yield* sql`SET TRANSACTION ISOLATION LEVEL ${sql.literal(isolation)}`
      yield* sql`SELECT count(*), txid_current() FROM ostinato.ready`
      yield* Effect.sleep(ms)
      return []
    }))
  )
  await dispose()
}

const idle: Scenario = {
  name: "one session idle in a transaction all the time, jobs in bursts",
  lacks: undefined,
  harm: async (rig) => {
    await reader(rig, "READ COMMITTED", harmMs)
    return nothing
  }
}

const readers: Scenario = {
  name: "REPEATABLE READ readers that overlap, so that some old snapshot is always held",
  lacks: undefined,
  harm: async (rig) => {
    const open: Array<Promise<void>> = []
    for (let n = 0; n < harmMs / 1000; n++) {
      open.push(reader(rig, "REPEATABLE READ", 4000))
      await sleep(1000)
    }
    await Promise.all(open)
    return nothing
  }
}

const pooled: Scenario = {
  name: "PgBouncer in transaction mode, 8 server connections, a worker killed half way",
  lacks: program() === undefined ? "pgbouncer" : undefined,
  front: (server) => startPooler(program()!, server),
  harm: async ({ processes }, places) => {
    await sleep(harmMs / 2)
    await processes.kill(places[0]!, 1000)
    await sleep(harmMs / 2)
    return nothing
  }
}

/** All of them. */
export const scenarios: ReadonlyArray<Scenario> = [restarts, kills, idle, readers, pooled]
