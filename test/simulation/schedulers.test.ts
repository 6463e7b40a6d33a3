import { describe } from "@effect/vitest"
import { simulated } from "./seeds.ts"
import { overlapHolds, ticksHold } from "./taskScheduler.ts"

describe("simulation of schedulers", () => {
  simulated(
    "D.6 G11 every tick makes at most one run and none is lost, whatever crashes and whatever a store answers",
    ticksHold(undefined, undefined, 3),
    500
  )
  simulated("D.6 G11 the same over whole days", ticksHold(), 10)
  simulated(
    "D.6 G6 a tick makes at most one run where nodes are held up for longer than a lease",
    ticksHold(undefined, { delay: 0.3, pause: 0.15, longest: "3 hours" }),
    15
  )
  simulated(
    "D.6 S0.6 no two runs of a schedule are at work at once on two nodes, however long they take",
    overlapHolds(),
    12
  )
})
