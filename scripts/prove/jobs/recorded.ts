/**
 * A store that writes down what it gave and what it answered, as seen by the process that uses it: between worker and
 * driver, so neither has to know.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { JobId } from "ostinato/jobs/Job"
import { JobStore } from "ostinato/jobs/JobStore"
import type { Line } from "./model.ts"

/** Epochs of what this process claimed last, by job. */
export type Epochs = ReadonlyMap<string, number>

/** Wraps the store that is there. */
export const layer = (proc: string, write: (line: Line) => void, epochs: Map<JobId, number>) =>
  Layer.effect(
    JobStore,
    Effect.map(JobStore, (store) =>
      JobStore.of({
        ...store,
        claim: (member, queue, limit) =>
          Effect.tap(store.claim(member, queue, limit), (jobs) =>
            Effect.sync(() => {
              for (const { attempt, epoch, id, lost, startedAt } of jobs) {
                epochs.set(id, epoch)
                write({ op: "claim", proc, id, epoch, attempt, lost, at: startedAt })
              }
            })),
        finish: (member, ends) =>
          Effect.flatMap(Clock.currentTimeMillis, (at) =>
            Effect.tap(store.finish(member, ends), (fenced) =>
              Effect.sync(() => {
                for (const { job: { epoch, id }, outcome } of ends) {
                  write({ op: "finish", proc, id, epoch, outcome, accepted: !fenced.has(id), at })
                }
              })))
      }))
  )
