/**
 * The tables, functions and the view of jobs.
 *
 * A function whose parameters or answer change gets a new name in a new step, and the old one stays until no node of the
 * version before runs any more.
 */
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"
import { DatabaseSchema } from "../../../store/DatabaseSchema.ts"
import type { Line } from "../../../store/Migration.ts"
import { analyze } from "../sql/analyze.ts"
import { cancel } from "../sql/cancel.ts"
import { claim } from "../sql/claim.ts"
import { complete } from "../sql/complete.ts"
import { enqueue } from "../sql/enqueue.ts"
import { enqueueAny } from "../sql/enqueueAny.ts"
import { enqueueKeyed } from "../sql/enqueueKeyed.ts"
import { erasure } from "../sql/erasure.ts"
import { finish } from "../sql/finish.ts"
import { ids } from "../sql/ids.ts"
import { interop } from "../sql/interop.ts"
import { limits } from "../sql/limits.ts"
import { names } from "../sql/names.ts"
import { partitions } from "../sql/partitions.ts"
import { promote } from "../sql/promote.ts"
import { queueLimit } from "../sql/queueLimit.ts"
import { reschedule } from "../sql/reschedule.ts"
import { retry } from "../sql/retry.ts"
import { settle } from "../sql/settle.ts"
import { supersede } from "../sql/supersede.ts"
import { tables } from "../sql/tables.ts"
import { upkeep } from "../sql/upkeep.ts"
import { view } from "../sql/view.ts"

/** In the order in which they can be made. */
const parts = [
  ids,
  tables,
  names,
  partitions,
  limits,
  queueLimit,
  settle,
  enqueueAny,
  enqueueKeyed,
  enqueue,
  claim,
  complete,
  finish,
  promote,
  cancel,
  reschedule,
  retry,
  supersede,
  upkeep,
  view,
  erasure,
  analyze,
  interop
]

export const migrations: Line = {
  name: "jobs",
  steps: {
    "0001_jobs": Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const schema = `"${yield* DatabaseSchema}"`
      for (const statement of parts.flatMap((part) => part(schema))) yield* sql.unsafe(statement)
    })
  }
}
