import * as Layer from "effect/Layer"
import * as Supervisor from "ostinato/core/Supervisor"
import * as PostgresScheduleStore from "ostinato/schedule/stores/Postgres"
import * as PostgresRunLog from "ostinato/store/PostgresRunLog"
import { runLogSuite } from "./runLogSuite.ts"
import { scheduleStoreSuite } from "./scheduleStoreSuite.ts"
import * as TestDatabase from "./TestDatabase.ts"

const database = TestDatabase.layer(PostgresRunLog.migrations, PostgresScheduleStore.migrations)

runLogSuite("Postgres", Layer.provide(PostgresRunLog.layer(), [database, Supervisor.layer]))
scheduleStoreSuite("Postgres", Layer.provide(PostgresScheduleStore.layer(), database))
