/** What every dispatch to a queue has in common: it asks the gate, makes one run for a tick, and answers with the run. */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import type { RunRef } from "../../core/Dispatch.ts"
import { RunGate } from "../../core/RunGate.ts"
import type { Any } from "../../core/Task.ts"
import { type TaskError, TaskSkipped } from "../../core/TaskError.ts"
import { NextRunId, type Trigger } from "../../core/TaskRun.ts"
import { type JobId, runIdOf } from "../Job.ts"
import * as JobResult from "../JobResult.ts"
import { type Enqueued, JobStore } from "../JobStore.ts"
import * as id from "./payload/id.ts"

/** `enqueue`: with the id of a tick, for others with one of its own. */
export const dispatched = <T extends Any, E>(
  task: T,
  trigger: Trigger,
  enqueue: (id: JobId | undefined) => Effect.Effect<Enqueued, E, JobStore>
): Effect.Effect<RunRef<T["success"]["Type"], T["error"]["Type"] | TaskError>, E, JobStore> =>
  Effect.gen(function*() {
    if (!(yield* yield* RunGate)) {
      const skipped = new TaskSkipped({ task: task.name, reason: "its turn went to another process" })
      return { id: yield* yield* NextRunId, await: Effect.fail(skipped) }
    }
    const store = yield* JobStore
    const ofTick = trigger.kind === "schedule"
      ? id.derived(`${trigger.schedule} ${task.name}`, DateTime.toEpochMillis(trigger.tick))
      : undefined
    const answer = yield* enqueue(ofTick)
    return {
      id: runIdOf(answer.id),
      await: Effect.provideService(JobResult.ofRun(task, answer.id), JobStore, store)
    }
  })

/** A task whose payload has these fields. */
export type Keyed<By extends string> = [By] extends [never] ? unknown
  : { readonly payload: { readonly Type: { readonly [Field in By]: unknown } } }
