import { describe } from "@effect/vitest"
import { Drain, HotResource, Supervisor } from "ostinato"
import { drainHolds } from "./drain.ts"
import { hotResourceHolds } from "./hotResource.ts"
import { pipelineHolds, real } from "./pipeline.ts"
import { simulated } from "./seeds.ts"
import { supervisorHolds } from "./supervisor.ts"
import { poolHolds, real as pool } from "./taskPool.ts"

describe("simulation", () => {
  simulated(
    "D.6 G14 a drain accounts for all work, in bounded time, whoever starts work while it closes",
    drainHolds(Drain.make),
    500
  )
  simulated(
    "D.6 S3.28 a resource is open while it is used and closed once, whoever exchanges it",
    hotResourceHolds(HotResource.make),
    500
  )
  simulated(
    "D.6 D.2 a loop runs again after every end, never twice at once, and ends with its scope",
    supervisorHolds(Supervisor.layer),
    500
  )
  simulated(
    "D.6 S0.28 a stage starts once, after its parents, within the bound, in whatever order stages end",
    pipelineHolds(real),
    500
  )
  simulated(
    "D.6 S2.6 G16 a pool has no more at work than slots, loses no submission and no slot, whoever cancels and shuts down",
    poolHolds(pool),
    500
  )
})
