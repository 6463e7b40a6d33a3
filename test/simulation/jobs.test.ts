import { describe } from "@effect/vitest"
import { fencesHold, heldUp, jobsHold, jobTicksHold, wakesHold } from "./jobs.ts"
import { simulated } from "./seeds.ts"

describe("simulation of jobs", () => {
  simulated(
    "D.6 every acknowledged job ends, one attempt at a time, keys have one holder, stops cost nothing",
    jobsHold(),
    6
  )
  simulated(
    "D.6 G3 G6 the newest attempt decides where nodes are held up for longer than a lease",
    jobsHold(undefined, heldUp),
    6
  )
  simulated("D.6 G6 of several attempts that end the newest decides", fencesHold(), 10)
  simulated("D.6 S3.18 a job that comes while a worker is idle starts at once", wakesHold(), 20)
  simulated("D.6 G11 a tick makes one job, whoever crashes between the two", jobTicksHold(), 8)
})
