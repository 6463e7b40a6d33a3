/**
 * A recorded run as a submission of a pool. It is in the log before it is in the pool, so its queue time is whole, and
 * whatever ends it before it begins is recorded as its end.
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { PoolRun } from "../../Dispatch.ts"
import type { PoolClosed, PoolFull } from "../../PoolError.ts"
import { RunContext } from "../../RunContext.ts"
import { RunLog, type RunLogUnavailable } from "../../RunLog.ts"
import type { Storable, Task } from "../../Task.ts"
import { type TaskError, TaskInterrupted } from "../../TaskError.ts"
import type { PoolPriority, TaskPool } from "../../TaskPool.ts"
import type { Cancellation, Trigger } from "../../TaskRun.ts"
import { accept } from "../execute.ts"
import { TypeId } from "./open.ts"

/** How long the end of a run may take to be recorded, beside the grace of its task. */
const recording = Duration.seconds(25)

export const dispatch = <Name extends string, P extends Storable, S extends Storable, E extends Storable, R, PR>(
  pool: TaskPool<PR>,
  priority: PoolPriority,
  task: Task<Name, P, S, E, R>,
  payload: P["Type"],
  trigger: Trigger
): Effect.Effect<
  PoolRun<S["Type"], E["Type"] | TaskError>,
  PoolFull | PoolClosed | RunLogUnavailable,
  RunLog | Exclude<R, PR>
> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.gen(function*() {
      const inside = pool[TypeId]
      const from = yield* Effect.context<RunLog | Exclude<R, PR>>()
      const log = Context.get(from, RunLog)
      const { actor } = yield* RunContext
      // the pool has PR, and what is left of R are handlers, which come along
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- as said
      const context = Context.add(inside.carried(from), RunLog, log) as Context.Context<RunLog | R>
      const limited = Duration.isFinite(task.timeout) ? task : { ...task, timeout: inside.timeout }
      const where = { executor: `pool ${pool.name}`, status: "waiting" } as const
      const { giveUp, id, run } = yield* Effect.provideContext(
        accept(limited, payload, trigger, where, restore),
        context
      )
      let cancelledBy: Cancellation | undefined
      const submission = inside.submission(
        { run: Effect.flatten(run), giveUp: (error) => giveUp(error, cancelledBy) },
        { name: task.name, priority, timeout: Duration.infinity },
        Duration.sum(task.grace, recording),
        context
      )
      const refused = (reason: string) => giveUp(new TaskInterrupted({ task: task.name, reason }))
      yield* restore(inside.submit(submission)).pipe(
        Effect.tapError((error) => refused(error.message)),
        Effect.onInterrupt(() =>
          submission.place === "offered" ? refused("interrupted before it was accepted") : submission.cancel
        )
      )
      return {
        id,
        await: submission.await,
        status: submission.status,
        cancel: Effect.gen(function*() {
          const place = yield* submission.status
          if (place !== "waiting" && place !== "running") return false
          const by = { actor, reason: null }
          if (place === "waiting") cancelledBy = by
          const answer = yield* log.cancel(id, by)
          if (place === "waiting" || answer === "unknown" || answer === "ended") return yield* submission.cancel
          return yield* Effect.as(Effect.exit(submission.await), true)
        })
      }
    })
  )
