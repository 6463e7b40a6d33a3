/**
 * What an edit would make of payloads, for people to look at before they redrive: without what is redacted.
 */
import * as Effect from "effect/Effect"
import type { JobStoreUnavailable } from "../jobs/JobError.ts"
import type { Redriven } from "../jobs/JobRedrive.ts"
import { JobStore } from "../jobs/JobStore.ts"
import { Redaction } from "./Redaction.ts"

/**
 * The sample of a dry run as it may be shown. Of a job that was pruned meanwhile nobody can say what of it is redacted: it
 * has null on both sides.
 *
 * @category combinators
 */
export const shown = (
  sample: Redriven["sample"]
): Effect.Effect<Redriven["sample"], JobStoreUnavailable, JobStore> =>
  Effect.gen(function*() {
    const store = yield* JobStore
    const hide = yield* Redaction
    const tasks = new Map((yield* store.getMany(sample.map(({ id }) => id))).map(({ id, task }) => [id, task]))
    return yield* Effect.forEach(sample, ({ after, before, id }) =>
      Effect.gen(function*() {
        const task = tasks.get(id)
        if (task === undefined) return { id, before: null, after: null }
        return { id, before: yield* hide(task, "payload", before), after: yield* hide(task, "payload", after) }
      }))
  })
