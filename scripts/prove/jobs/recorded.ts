/**
 * A store that writes down what it gave and what it answered, as seen by the process that uses it: between worker and
 * driver, so neither has to know.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { JobId } from "ostinato/jobs/Job"
import { type Claimed, JobStore } from "ostinato/jobs/JobStore"
import type { Line } from "./model.ts"

/** Epochs of what this process claimed last, by job. */
export type Epochs = ReadonlyMap<string, number>

/** Wraps the store that is there. */
export const layer = (proc: string, write: (line: Line) => void, epochs: Map<JobId, number>) =>
  Layer.effect(
    JobStore,
    Effect.map(JobStore, (store) => {
      const noted = <E>(claimed: Effect.Effect<ReadonlyArray<Claimed>, E>) =>
        Effect.tap(claimed, (jobs) =>
          Effect.sync(() => {
            for (const { attempt, epoch, id, lost, startedAt } of jobs) {
              epochs.set(id, epoch)
              write({ op: "claim", proc, id, epoch, attempt, lost, at: startedAt })
            }
          }))
      return JobStore.of({
        ...store,
        claim: (member, queue, limit) => noted(store.claim(member, queue, limit)),
        standby: (queue, ask) =>
          store.standby(queue, (most) => {
            const standby = ask(most)
            return standby === null ? null : { ...standby, answer: (claimed) => standby.answer(noted(claimed)) }
          }),
        finish: (member, ends) =>
          Effect.flatMap(Clock.currentTimeMillis, (at) =>
            Effect.tap(store.finish(member, ends), (fenced) =>
              Effect.sync(() => {
                for (const { job: { epoch, id }, outcome } of ends) {
                  write({ op: "finish", proc, id, epoch, outcome, accepted: !fenced.has(id), at })
                }
              })))
      })
    })
  )
