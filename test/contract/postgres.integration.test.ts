import * as PgClient from "@effect/sql-pg/PgClient"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Supervisor from "ostinato/core/Supervisor"
import * as PostgresJobStore from "ostinato/jobs/stores/Postgres"
import * as PostgresScheduleStore from "ostinato/schedule/stores/Postgres"
import { DatabaseSchema } from "ostinato/store/DatabaseSchema"
import { Notifier } from "ostinato/store/Notifier"
import * as PostgresCheckpointStore from "ostinato/store/PostgresCheckpointStore"
import * as PostgresRunLog from "ostinato/store/PostgresRunLog"
import { checkpointStoreSuite } from "ostinato/testing/contract/CheckpointStoreSuite"
import { jobStoreSuite } from "ostinato/testing/contract/JobStoreSuite"
import { runLogSuite } from "ostinato/testing/contract/RunLogSuite"
import { scheduleStoreSuite } from "ostinato/testing/contract/ScheduleStoreSuite"
import * as TestDatabase from "./TestDatabase.ts"

const database = TestDatabase.layer(
  PostgresCheckpointStore.migrations,
  PostgresRunLog.migrations,
  PostgresScheduleStore.migrations,
  PostgresJobStore.migrations
)

checkpointStoreSuite("Postgres", Layer.provide(PostgresCheckpointStore.layer(), [database, Supervisor.layer]))
runLogSuite("Postgres", Layer.provide(PostgresRunLog.layer(), [database, Supervisor.layer]))
scheduleStoreSuite("Postgres", Layer.provide(PostgresScheduleStore.layer(), database))

const jobs = PostgresJobStore.layer().pipe(
  Layer.provideMerge(Notifier.layer()),
  Layer.provideMerge(Supervisor.layer),
  Layer.provideMerge(database)
)

jobStoreSuite("Postgres", jobs, {
  expire: ({ id }) =>
    Effect.gen(function*() {
      const sql = yield* PgClient.PgClient
      const s = sql(yield* DatabaseSchema)
      // its server process is gone with it
      yield* sql`UPDATE ${s}.worker SET expires_at = now() - interval '1 second', backend_pid = 0,
        witness_pid = 0 WHERE id = ${id}`
    })
})
