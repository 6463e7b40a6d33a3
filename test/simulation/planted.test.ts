import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { Simulation } from "ostinato/testing"
import { afterAll } from "vitest"
import { drainHolds } from "./drain.ts"
import { hotResourceHolds } from "./hotResource.ts"
import { fencesHold, jobsHold, jobTicksHold, wakesHold } from "./jobs.ts"
import { pipelineHolds, plain, real } from "./pipeline.ts"
import * as Drains from "./planted/drains.ts"
import * as HotResources from "./planted/hotResources.ts"
import * as JobStores from "./planted/jobStores.ts"
import * as Pipelines from "./planted/pipelines.ts"
import * as ScheduleStores from "./planted/scheduleStores.ts"
import * as Supervisors from "./planted/supervisors.ts"
import * as TaskPools from "./planted/taskPools.ts"
import type { Property } from "./seeds.ts"
import { supervisorHolds } from "./supervisor.ts"
import { poolHolds } from "./taskPool.ts"
import { overlapHolds, ticksHold } from "./taskScheduler.ts"

const pauses = { delay: 0.3, pause: 0.15, longest: "3 hours" } as const

const bugs: ReadonlyArray<readonly [bug: string, property: Property, seeds: number]> = [
  ["drain: looks whether it is open, then writes down what it started", drainHolds(Drains.looksThenWrites), 2000],
  ["drain: waits for what it interrupts, in turn", drainHolds(Drains.waitsInTurn), 100],
  ["resource: counts its users in two steps", hotResourceHolds(HotResources.countsInTwoSteps), 1000],
  ["resource: forgets users that were interrupted", hotResourceHolds(HotResources.forgetsTheInterrupted), 100],
  ["supervisor: does not restart what died", supervisorHolds(Supervisors.forgetsDefects), 50],
  ["supervisor: lets loops outlive their scope", supervisorHolds(Supervisors.outlivesItsScope), 50],
  ["pipeline: counts ended parents in two steps", pipelineHolds(Pipelines.countsInTwoSteps, plain), 300],
  ["pipeline: looks whether all parents ended, then starts", pipelineHolds(Pipelines.looksThenStarts, plain), 300],
  ["pipeline: looks for a free place, then takes it", pipelineHolds(Pipelines.looksThenTakesAPlace, plain), 300],
  ["pool: a slot is given back by the next line", poolHolds(TaskPools.leaksWhenInterrupted), 100],
  ["pool: looks for a free slot, then takes it", poolHolds(TaskPools.looksThenTakesASlot), 300],
  ["pool: looks whether it is open, then takes in", poolHolds(TaskPools.looksThenTakesIn), 1000],
  ["schedule: ticks without a unique key", ticksHold(ScheduleStores.ticksWithoutUnique), 6],
  ["schedule: the place moves before the ticks are written", ticksHold(ScheduleStores.placeBeforeTicks), 12],
  ["schedule: work begins whose claim was lost", ticksHold(ScheduleStores.beginsUnfenced, pauses), 12],
  ["schedule: leases are never renewed", overlapHolds(ScheduleStores.neverRenews), 6],
  ["jobs: lost wake-up", wakesHold(JobStores.tellsTooEarly), 3],
  ["jobs: a late writer wins", fencesHold(JobStores.lateWriterWins), 20],
  ["jobs: rescue takes jobs of the living", jobsHold(JobStores.rescuesTheLiving), 2],
  ["jobs: looks whether a key is free, then takes it", jobsHold(JobStores.looksThenTakesTheKey), 6],
  ["jobs: a tick's job has an id of its own", jobTicksHold("with an id of its own"), 8],
  ["jobs: a stop spends an attempt", jobsHold(JobStores.stopsSpendAttempts), 4],
  ["jobs: what went down with its worker is forgotten", jobsHold(JobStores.forgetsTheLost), 3]
]

const table: Array<string> = []
afterAll(() => console.log(["found in: seeded | default scheduler", ...table].join("\n")))

describe("planted bugs", () => {
  for (const [bug, property, seeds] of bugs) {
    it.effect(`D.6 is found: ${bug}`, () =>
      Effect.gen(function*() {
        const seeded = yield* Simulation.run(property, { seeds, outside: 0 })
        const byDefault = yield* Simulation.run(property, { seeds, outside: 0, strategy: "default" })
        table.push(`${seeded.failed.length} | ${byDefault.failed.length} of ${seeds}: ${bug}`)
        assert.isAbove(seeded.failed.length, 0)
      }), 120_000)
  }

  it.effect("D.6 a graph without a planted bug holds where the planted ones do not", () =>
    Simulation.check("plain graphs", pipelineHolds(real, plain), { seeds: 100 }))
})
