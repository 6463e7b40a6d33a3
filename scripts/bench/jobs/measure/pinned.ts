/**
 * One measurement: what claims take while another session holds an old snapshot, so that no row that was claimed or completed
 * since can be removed, beside a place where nothing is held.
 *
 * Two equal places take turns; a snapshot holds back only the rows of its own database. The figures are those of the last
 * third of the turns, when the most dead rows are there.
 */
import type { Server } from "../../../postgres.ts"
import { type PgConnection, withConnection } from "../../peers.ts"
import type { JobSystem } from "../JobSystem.ts"
import { withBench } from "./children.ts"
import { inTurns, middle } from "./claims.ts"
import { fill } from "./drain.ts"

const waiting = 20_000

/** Dead rows of the database, and how often its tables were vacuumed by the server itself. */
const tables = async (connection: PgConnection) => {
  const { rows } = await connection.query(
    "select sum(n_dead_tup)::int as dead, sum(autovacuum_count)::int as vacuums from pg_stat_user_tables"
  )
  return { dead: Number(rows[0]?.["dead"]), vacuums: Number(rows[0]?.["vacuums"]) }
}

/** Measures one system once. Claims are milliseconds of a claim of 100. */
export const measurePinned = (server: Server, system: JobSystem, quick: boolean) =>
  withBench(server, system, (free) =>
    withBench(server, system, async (held) => {
      for (const bench of [free, held]) {
        await fill(bench, waiting)
        await bench.place.settle("all")
      }
      const workers = [await free.start(), await held.start()] as const
      return withConnection(held.place.url, async (connection) => {
        await connection.query("begin isolation level repeatable read")
        await connection.query("select count(*) from pg_class")
        const turns = await inTurns(quick ? 3 : 15, ...workers)
        await connection.query("rollback")
        const late = (ms: ReadonlyArray<ReadonlyArray<number>>) => middle(ms.slice(-Math.ceil(ms.length / 3)).flat())
        const freeMs = late(turns.one)
        const heldMs = late(turns.another)
        return { freeMs, heldMs, heldTime: heldMs / freeMs, ...await tables(connection) }
      })
    }), "free")
