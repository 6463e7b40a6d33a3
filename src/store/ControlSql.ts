/**
 * The connections of the house itself: leases, renewals, records of runs, pruning, notifications.
 *
 * They are apart from the pool of user code, so a pool that is full of waiting transactions does not stop the
 * housekeeping. A statement here is short by rule and ended by the server after 10 s. Nothing here ever takes part in a
 * user's transaction.
 */
import type * as PgClient from "@effect/sql-pg/PgClient"
import * as Context from "effect/Context"

/**
 * @category services
 */
export class ControlSql extends Context.Service<ControlSql, PgClient.PgClient>()("ostinato/store/ControlSql") {}
