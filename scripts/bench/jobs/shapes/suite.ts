/**
 * The suite `jobs-shapes`: the experiment that the room's statements come from. The room's shape, the guide's schema part by part
 * and the prototypes, beside graphile-worker, pg-boss and pgbench.
 *
 * First the promises of the room's statements are checked, then every row is measured in every repetition.
 */
import type { JobSystem } from "../JobSystem.ts"
import { measureDrain } from "../measure/drain.ts"
import { measurePgbench, type PgbenchScript } from "../measure/pgbench.ts"
import type { Results } from "../results.ts"
import { type Options, type Row, runRows } from "../Row.ts"
import { base, baseAgain } from "../systems/graphile.ts"
import { pgBossSystem } from "../systems/pgBoss.ts"
import { shapeNamed, shapes } from "./all.ts"
import { hotScript, insertScript, roomScript } from "./limits.ts"
import { shapeSystem } from "./system.ts"
import { verify } from "./verify.ts"

/** Jobs of the greatest backlog. */
const most = 50_000

const rows = (quick: boolean): ReadonlyArray<Row> => {
  const part = quick ? 10 : 1
  const drain = (system: JobSystem, processes = 1): Row => ({
    part: "drain",
    name: processes === 1 ? system.name : `${system.name}, ${processes} processes`,
    about: system.about,
    base: processes === 1 ? base.name : `${base.name}, ${processes} processes`,
    measure: (server) => measureDrain(server, system, Math.min(system.backlog, most) / part, processes)
  })
  const limit = (name: string, about: string, script: PgbenchScript): Row => ({
    part: "drain",
    name,
    about,
    base: base.name,
    measure: (server) => measurePgbench(server, script, most / part)
  })
  return [
    ...[base, baseAgain, pgBossSystem, ...shapes.map(shapeSystem)].map((system) => drain(system)),
    limit("pgbench: room", "the room's claim, then complete, 1 client", roomScript),
    limit("pgbench: eff-hot", "the prototype's claim, then delete, 1 client", hotScript),
    limit("pgbench: insert", "the prototype's table, 1000 rows per statement, 1 client", insertScript),
    drain(base, 2),
    drain(shapeSystem(shapeNamed("room")), 2)
  ]
}

/** The peers that it needs. */
export const shapePeers = ["graphile-worker", "pg", "pg-boss"]

/** Runs the suite. */
export const runShapes = (options: Options): Promise<Results> =>
  runRows("jobs-shapes", rows(options.quick), shapePeers, options, async (server) => {
    const facts = await verify(server, shapeNamed("room"))
    options.say(`verified: ${facts.length} facts of the room's statements hold`)
    return facts
  })
