/**
 * The rows behind leases, by the database's clock.
 *
 * A row is never deleted, so its epoch never goes back. Each statement is one decision: of two that come at the same
 * time the second sees what the first wrote.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"
import type { Identifier } from "effect/sql/Statement"
import { DatabaseSchema } from "../DatabaseSchema.ts"
import type { Line } from "../Migration.ts"

export const migrations: Line = {
  name: "lease",
  steps: {
    "0001_lease": Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const s = sql(yield* DatabaseSchema)
      yield* sql`
        CREATE TABLE ${s}.lease (
          name text PRIMARY KEY,
          holder text NOT NULL,
          epoch bigint NOT NULL,
          expires_at timestamptz NOT NULL
        )`
    })
  }
}

/** What one claim of a lease is known by. */
export interface Claim {
  readonly name: string
  readonly holder: string
  readonly epoch: bigint
}

/** The statements on the rows of one schema. */
export const statements = (sql: SqlClient.SqlClient, s: Identifier) => {
  const until = (term: Duration.Duration) =>
    sql`clock_timestamp() + ${Duration.toMillis(term)} * interval '1 millisecond'`
  const isMine = ({ epoch, holder, name }: Claim) => sql`name = ${name} AND epoch = ${epoch} AND holder = ${holder}`
  return {
    acquire: (name: string, holder: string, term: Duration.Duration) =>
      Effect.map(
        sql<{ epoch: bigint }>`
          INSERT INTO ${s}.lease AS held (name, holder, epoch, expires_at) VALUES (${name}, ${holder}, 1, ${
          until(term)
        })
          ON CONFLICT (name) DO UPDATE
          SET holder = excluded.holder, epoch = held.epoch + 1, expires_at = ${until(term)}
          WHERE held.expires_at <= clock_timestamp()
          RETURNING epoch`,
        ([row]) => row?.epoch
      ),
    /** Also after it expired, as long as nobody has taken it. */
    renew: (claim: Claim, term: Duration.Duration) =>
      Effect.map(
        sql`UPDATE ${s}.lease SET expires_at = ${until(term)} WHERE ${isMine(claim)} RETURNING 1`,
        (rows) => rows.length > 0
      ),
    release: (claim: Claim) => sql`UPDATE ${s}.lease SET expires_at = '-infinity' WHERE ${isMine(claim)}`,
    /** Holds the row until the transaction ends, so nobody can take the lease before that. */
    lock: (claim: Claim) =>
      Effect.map(
        sql`SELECT 1 FROM ${s}.lease WHERE ${isMine(claim)} AND expires_at > clock_timestamp() FOR SHARE`,
        (rows) => rows.length > 0
      )
  }
}
