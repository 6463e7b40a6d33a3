import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as MemoryCheckpointStore from "ostinato/core/MemoryCheckpointStore"
import * as MemoryRunLog from "ostinato/core/MemoryRunLog"
import * as Supervisor from "ostinato/core/Supervisor"
import * as MemoryJobStore from "ostinato/jobs/stores/Memory"
import * as MemoryScheduleStore from "ostinato/schedule/stores/Memory"
import * as JobRuns from "ostinato/service/JobRuns"
import { checkpointStoreSuite } from "ostinato/testing/contract/CheckpointStoreSuite"
import { jobStoreSuite } from "ostinato/testing/contract/JobStoreSuite"
import { runLogSuite } from "ostinato/testing/contract/RunLogSuite"
import { scheduleStoreSuite } from "ostinato/testing/contract/ScheduleStoreSuite"

checkpointStoreSuite("memory", MemoryCheckpointStore.layer())
runLogSuite("memory", MemoryRunLog.layer())
runLogSuite(
  "memory, with the jobs of a store",
  JobRuns.layer.pipe(Layer.provide([MemoryRunLog.layer(), MemoryJobStore.layer]), Layer.provide(Supervisor.layer))
)
scheduleStoreSuite("memory", MemoryScheduleStore.layer)

// the real clock, and ahead of it by so much
let aheadMs = 0
const clock = Clock.Clock.defaultValue()
const ahead = Layer.succeed(Clock.Clock, {
  currentTimeNanosUnsafe: () => clock.currentTimeNanosUnsafe(),
  currentTimeNanos: clock.currentTimeNanos,
  monotonicTimeNanosUnsafe: () => clock.monotonicTimeNanosUnsafe(),
  monotonicTimeNanos: clock.monotonicTimeNanos,
  currentTimeMillisUnsafe: () => clock.currentTimeMillisUnsafe() + aheadMs,
  currentTimeMillis: Effect.sync(() => clock.currentTimeMillisUnsafe() + aheadMs),
  sleep: (duration) => clock.sleep(duration)
})
const jobs = Layer.provideMerge(MemoryJobStore.layer, Layer.merge(Supervisor.layer, ahead))
jobStoreSuite("memory", jobs, { expire: () => Effect.sync(() => void (aheadMs += 31_000)) })
