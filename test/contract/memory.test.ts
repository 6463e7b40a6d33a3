import * as MemoryCheckpointStore from "ostinato/core/MemoryCheckpointStore"
import * as MemoryRunLog from "ostinato/core/MemoryRunLog"
import * as MemoryScheduleStore from "ostinato/schedule/stores/Memory"
import { checkpointStoreSuite } from "ostinato/testing/contract/CheckpointStoreSuite"
import { runLogSuite } from "ostinato/testing/contract/RunLogSuite"
import { scheduleStoreSuite } from "ostinato/testing/contract/ScheduleStoreSuite"

checkpointStoreSuite("memory", MemoryCheckpointStore.layer())
runLogSuite("memory", MemoryRunLog.layer())
scheduleStoreSuite("memory", MemoryScheduleStore.layer)
