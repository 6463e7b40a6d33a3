/** The parts of the store on a database of their own, and jobs to put into it. */
import * as PgClient from "@effect/sql-pg/PgClient"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Supervisor from "ostinato/core/Supervisor"
import type { Claimed, End, Member, NewJob } from "ostinato/jobs/JobStore"
import * as Postgres from "ostinato/jobs/stores/Postgres"
import { Notifier } from "ostinato/store/Notifier"
import * as PostgresCheckpointStore from "ostinato/store/PostgresCheckpointStore"
import { newJob } from "../../../src/testing/internal/jobStore/newJob.ts"
import * as TestDatabase from "../../contract/TestDatabase.ts"

/** What this store can do, for tests of its statements. */
export { JobStore as Store } from "ostinato/jobs/JobStore"

export const layer = Postgres.layer().pipe(
  Layer.provideMerge(Notifier.layer()),
  Layer.provideMerge(Supervisor.layer),
  Layer.provideMerge(TestDatabase.layer(Postgres.migrations, PostgresCheckpointStore.migrations))
)

export const job = (change: Partial<NewJob> & { readonly queue: string }): NewJob =>
  newJob(change.queue, { task: "test.task", ...change })

/** A worker that is alive for a minute. */
export const member = (node = "test", seconds = 60) =>
  Effect.flatMap(PgClient.PgClient, (sql) =>
    Effect.map(
      sql<{ id: number }>`
        INSERT INTO ostinato.worker (node, expires_at) VALUES (${node}, now() + ${seconds} * interval '1 second')
        RETURNING id`,
      ([row]): Member => ({
        id: row!.id,
        node,
        mail: Effect.never,
        acknowledge: () => Effect.void,
        lost: Effect.never
      })
    ))

export const end = (claimed: Claimed, change?: Partial<End>): End => ({
  job: claimed,
  outcome: "completed",
  delayMs: 0,
  output: undefined,
  failure: null,
  note: null,
  report: null,
  logs: [],
  ...change
})

export const failure = (tag: string) => ({ kind: "failure" as const, tag, message: tag, cause: tag })

export const logLine = (message: string) => ({ at: DateTime.makeUnsafe(0), level: "INFO", message })

/** A key of 32 bytes. */
export const key = (text: string) => Buffer.from(text.padEnd(32).slice(0, 32)).toString("hex")

export const unique = (text: string, change?: Partial<NonNullable<NewJob["unique"]>>): NewJob["unique"] => ({
  key: key(text),
  withinMs: null,
  until: "done",
  onConflict: "skip",
  ...change
})
