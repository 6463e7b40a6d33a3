import * as MemoryCheckpointStore from "ostinato/core/MemoryCheckpointStore"
import * as MemoryRunLog from "ostinato/core/MemoryRunLog"
import * as MemoryScheduleStore from "ostinato/schedule/stores/Memory"
import { checkpointStoreSuite } from "./checkpointStoreSuite.ts"
import { runLogSuite } from "./runLogSuite.ts"
import { scheduleStoreSuite } from "./scheduleStoreSuite.ts"

checkpointStoreSuite("memory", MemoryCheckpointStore.layer())
runLogSuite("memory", MemoryRunLog.layer())
scheduleStoreSuite("memory", MemoryScheduleStore.layer)
