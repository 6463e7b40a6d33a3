import * as MemoryRunLog from "ostinato/core/MemoryRunLog"
import * as MemoryScheduleStore from "ostinato/schedule/stores/Memory"
import { runLogSuite } from "./runLogSuite.ts"
import { scheduleStoreSuite } from "./scheduleStoreSuite.ts"

runLogSuite("memory", MemoryRunLog.layer())
scheduleStoreSuite("memory", MemoryScheduleStore.layer)
