/** Writes down how attempts end that a worker reports to a store. */
import * as Effect from "effect/Effect"
import { type End, JobStore } from "../../../jobs/JobStore.ts"

export const recording = (store: JobStore["Service"], ended: (end: End) => void): JobStore["Service"] =>
  JobStore.of({
    ...store,
    finish: (member, ends) =>
      Effect.tap(store.finish(member, ends), (fenced) =>
        Effect.sync(() => ends.forEach((end) => fenced.has(end.job.id) || ended(end)))),
    finishTx: (member, end) =>
      Effect.tap(store.finishTx(member, end), () => Effect.sync(() => ended(end)))
  })
