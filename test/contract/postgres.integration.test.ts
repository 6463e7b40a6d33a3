import * as Layer from "effect/Layer"
import * as Supervisor from "ostinato/core/Supervisor"
import * as PostgresScheduleStore from "ostinato/schedule/stores/Postgres"
import * as PostgresCheckpointStore from "ostinato/store/PostgresCheckpointStore"
import * as PostgresRunLog from "ostinato/store/PostgresRunLog"
import { checkpointStoreSuite } from "ostinato/testing/contract/CheckpointStoreSuite"
import { runLogSuite } from "ostinato/testing/contract/RunLogSuite"
import { scheduleStoreSuite } from "ostinato/testing/contract/ScheduleStoreSuite"
import * as TestDatabase from "./TestDatabase.ts"

const database = TestDatabase.layer(
  PostgresCheckpointStore.migrations,
  PostgresRunLog.migrations,
  PostgresScheduleStore.migrations
)

checkpointStoreSuite("Postgres", Layer.provide(PostgresCheckpointStore.layer(), [database, Supervisor.layer]))
runLogSuite("Postgres", Layer.provide(PostgresRunLog.layer(), [database, Supervisor.layer]))
scheduleStoreSuite("Postgres", Layer.provide(PostgresScheduleStore.layer(), database))
