/** What the end of a call means to whoever asked for it. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schema from "effect/Schema"
import { ResultInvalid, TaskInterrupted, TaskTimeout } from "../../TaskError.ts"
import {
  NotTransferable,
  type ThreadError,
  ThreadTaskInvalid,
  WorkerCrashed,
  WorkerOutOfMemory
} from "../../ThreadError.ts"
import type { ThreadTask, Travelling } from "../../ThreadTask.ts"
import { type Stuck, stuckIn, type Thrown } from "./protocol.ts"
import type { Job, Outcome } from "./seat.ts"

export interface Reader<S, E> {
  readonly read: (pool: string, job: Job, outcome: Outcome) => Effect.Effect<S, E | ThreadError>
}

/** Reads the outcomes of a task. */
export const reader = <P extends Travelling, S extends Travelling, E extends Travelling>(
  task: ThreadTask<P, S, E>
): Reader<S["Type"], E["Type"]> => {
  const decodeSuccess = Schema.decodeUnknownEffect(task.success)
  const decodeError = Schema.decodeUnknownEffect(task.error)
  const name = task.name

  const failed = ({ fields, message, name: kind, stack }: Thrown): Effect.Effect<never, E["Type"]> =>
    Effect.matchEffect(decodeError(fields), {
      onSuccess: (error) => Effect.fail(error),
      onFailure: () => {
        const defect = new Error(message)
        defect.name = kind
        if (stack !== "") defect.stack = stack
        return Effect.die(defect)
      }
    })

  const read = (pool: string, job: Job, outcome: Outcome): Effect.Effect<S["Type"], E["Type"] | ThreadError> => {
    switch (outcome.kind) {
      case "timeout":
        return Effect.fail(new TaskTimeout({ task: name, timeoutMs: job.limitMs }))
      case "left":
        return Effect.fail(new TaskInterrupted({ task: name, reason: `the pool ${pool} was closed` }))
      case "lost":
        return Effect.fail(
          outcome.isOutOfMemory
            ? new WorkerOutOfMemory({ pool, task: name, detail: outcome.detail })
            : new WorkerCrashed({ pool, task: name, detail: outcome.detail })
        )
      case "stuck": {
        const { path, value } = stuckIn(job.payload, "payload") ?? { path: "payload", value: String(outcome.error) }
        return Effect.fail(new NotTransferable({ task: name, path, value }))
      }
      default: {
        const [, answer, value] = outcome.reply
        // what a thread answers is fixed by the protocol
        // oxlint-disable typescript/no-unsafe-type-assertion -- as said
        if (answer === "thrown") return failed(value as Thrown)
        if (answer === "stuck") return Effect.fail(new NotTransferable({ task: name, ...value as Stuck }))
        // oxlint-enable typescript/no-unsafe-type-assertion
        if (answer === "absent") {
          return Effect.fail(
            new ThreadTaskInvalid({ task: name, module: task.module, export: task.export, detail: String(value) })
          )
        }
        const decoding = decodeSuccess(value)
        // most Schemas answer at once
        if (Exit.isExit(decoding) && Exit.isSuccess(decoding)) return decoding
        return Effect.mapError(
          decoding,
          (error) => new ResultInvalid({ task: name, detail: error.message })
        )
      }
    }
  }
  return { read }
}
