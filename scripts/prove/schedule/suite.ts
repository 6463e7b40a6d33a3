/**
 * `npm run prove -- schedule`: three processes, one Postgres, 1,000 ticks, and faults all the while.
 *
 * Proves that across nodes, kills and restarts every tick makes exactly one run under `missed: all`.
 */
import * as Effect from "effect/Effect"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { startServer } from "../../postgres.ts"
import { readAll } from "../ledger.ts"
import { type Ask, onlooker } from "../onlooker.ts"
import { type End, isGraceful, killed, type Life, selfEnded, startProcesses } from "../processes.ts"
import { check, type Verdict } from "./check.ts"
import { Line, names, type Row } from "./model.ts"
import { type Fault, faults } from "./plan.ts"

/** What one seed gave. */
export interface Proof {
  readonly seed: number
  readonly faults: Readonly<Record<"kills" | "pauses" | "restarts", number>>
  readonly verdict: Verdict
  /** How nodes ended that nobody told to: mostly since the database was away when they started. */
  readonly selfEnded: ReadonlyArray<End>
  /** How the nodes ended when they were told to stop. */
  readonly stopped: ReadonlyArray<End>
  readonly seconds: number
  readonly ok: boolean
}

const nodeCount = 3

const places = Array.from({ length: nodeCount }, (_, node) => `node-${node}`)

/** Runs one seed. The folder with the nodes' logs is kept when it fails, and named. */
export const prove = async (options: {
  readonly seed: number
  readonly ticks: number
  readonly say: (line: string) => void
}): Promise<Proof> => {
  const from = performance.now()
  const perSchedule = Math.ceil(options.ticks / names.length)
  const folder = mkdtempSync(join(tmpdir(), "ostinato-prove-"))
  const server = await startServer({ max_connections: "60" })
  const url = server.url("postgres")
  const { ask, dispose } = onlooker(url)
  const nodes = startProcesses(
    folder,
    places.map((name) => ({
      name,
      program: join(import.meta.dirname, "node.ts"),
      env: { DATABASE_URL: url }
    }))
  )
  const dealt = { kills: 0, pauses: 0, restarts: 0 }
  let kept = true
  try {
    const first = await firstTicks(ask)
    const pending = new Set<Promise<void>>()
    const deal = async (fault: Fault) => {
      if (fault.kind === "kill") {
        dealt.kills += 1
        await nodes.kill(places[fault.node]!, fault.downMs)
      } else if (fault.kind === "pause") {
        dealt.pauses += 1
        await nodes.pause(places[fault.node]!, fault.forMs)
      } else {
        dealt.restarts += 1
        await server.restart(fault.how, fault.downMs)
      }
    }
    // faults overlap, but the server is restarted once at a time
    let restart: Promise<void> = Promise.resolve()
    for (const fault of faults(options.seed, nodeCount, 1000)) {
      await sleep(fault.afterMs)
      if (await reached(ask, perSchedule)) break
      if (fault.kind === "restart") await restart
      const one = deal(fault)
      if (fault.kind === "restart") restart = one
      pending.add(one)
      void one.finally(() => pending.delete(one))
    }
    await Promise.all(pending)
    const { lines, rows } = await settled(ask, folder, first, perSchedule, nodes.lives)
    const stopped = await nodes.stop()
    const verdict = check({ lines, rows, first, perSchedule, killed: killed(nodes.lives()) })
    const ok = verdict.lost.length + verdict.double.length + verdict.stray.length + verdict.misrecorded.length +
            verdict.cutUnexplained.length === 0 && stopped.every(isGraceful)
    kept = !ok
    return {
      seed: options.seed,
      faults: dealt,
      verdict,
      selfEnded: selfEnded(nodes.lives()),
      stopped,
      seconds: (performance.now() - from) / 1000,
      ok
    }
  } finally {
    nodes.dispose()
    await dispose()
    await server.stop()
    if (kept) options.say(`what the nodes wrote is kept in ${folder}`)
    else rmSync(folder, { recursive: true, force: true })
  }
}

// the first instant of every schedule, before any fault
const firstTicks = async (ask: Ask) => {
  for (let left = 300; left > 0; left--) {
    const rows = await ask<{ schedule: string; tick: Date }>((sql) =>
      Effect.catchCause(
        sql<{ schedule: string; tick: Date }>`SELECT schedule, min(tick) AS tick FROM ostinato.tick GROUP BY schedule`,
        // no table yet
        () => Effect.succeed([])
      )
    )
    if (rows.length === names.length) return new Map(rows.map(({ schedule, tick }) => [schedule, tick.toISOString()]))
    await sleep(100)
  }
  throw new Error("no tick fired within 30 seconds: see the nodes' logs")
}

const reached = async (ask: Ask, perSchedule: number) => {
  const rows = await ask<{ ticks: number }>((sql) =>
    sql`SELECT count(*)::int AS ticks FROM ostinato.tick GROUP BY schedule`
  )
  return rows.length === names.length && rows.every(({ ticks }) => ticks >= perSchedule)
}

/** Waits until nothing is lost and nothing is open: what a killed node held comes back when its lease runs out. */
const settled = async (
  ask: Ask,
  folder: string,
  first: ReadonlyMap<string, string>,
  perSchedule: number,
  lives: () => ReadonlyArray<Life>
) => {
  for (let waited = 0;; waited += 1) {
    const rows = (await ask<Omit<Row, "tick"> & { readonly tick: Date }>((sql) =>
      sql`
        SELECT t.schedule, t.tick, t.outcome, t.detail, t.begun_at IS NOT NULL AS begun,
          coalesce(array_agg(r.pid) FILTER (WHERE r.pid IS NOT NULL), '{}') AS pids
        FROM ostinato.tick t LEFT JOIN ostinato.run r ON r.trigger->>'schedule' = t.schedule
          AND (r.trigger->>'tick')::timestamptz = t.tick
        GROUP BY t.schedule, t.tick`
    )).map((row): Row => ({ ...row, tick: row.tick.toISOString() }))
    const lines = readAll(Line, folder)
    const { lost, misrecorded } = check({ lines, rows, first, perSchedule, killed: killed(lives()) })
    if ((lost.length === 0 && misrecorded.length === 0) || waited >= 90) {
      return { lines, rows }
    }
    await sleep(1000)
  }
}
