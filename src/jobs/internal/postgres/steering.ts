/**
 * What operators ask of jobs and queues, besides moving jobs: finding them, pausing, limits, erasure. What changes rows
 * joins the transaction around it; what only reads has the connections of the house.
 */
import type * as PgClient from "@effect/sql-pg/PgClient"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { SqlError } from "effect/sql/SqlError"
import * as SqlFault from "../../../store/SqlFault.ts"
import * as Tx from "../../../store/Tx.ts"
import { JobStoreUnavailable, QueueNotFound } from "../../JobError.ts"
import type { Steering } from "../../JobStore.ts"
import * as changes from "./changes.ts"
import * as erase from "./erase.ts"
import * as holds from "./holds.ts"
import * as limitTable from "./limitTable.ts"
import * as query from "./query.ts"
import * as queues from "./queues.ts"
import { joining, outside, type StoreContext, unavailable } from "./StoreContext.ts"
import type { Wakes } from "./wakes.ts"

export const make = (
  ctx: StoreContext,
  schema: string,
  wakes: Wakes
): Omit<Steering, "cancel" | "reschedule" | "retry" | "members"> => {
  const wake = wakes.woken
  const on = (sql: PgClient.PgClient) => ({
    queues: queues.make({ sql, schema, wake }),
    holds: holds.make({ sql, schema, wake }),
    limits: limitTable.make(sql, schema),
    erase: erase.make(sql, schema).erase
  })
  const house = on(ctx.house)
  const user = on(ctx.user)
  const find = query.make(ctx.house, schema)

  const write = <A>(operation: string, work: (parts: typeof house) => Effect.Effect<A, SqlError>) =>
    joining(ctx, operation, (sql) => Effect.tap(work(sql === ctx.user ? user : house), () => wakes.changed))
  const limit = <A>(
    operation: string,
    work: (parts: typeof house) => Effect.Effect<A | limitTable.Refused, SqlError>
  ) =>
    Effect.flatMap(
      write(operation, work),
      (answer) =>
        answer instanceof limitTable.Refused
          ? Effect.fail(new JobStoreUnavailable({ operation, detail: answer.detail }))
          : Effect.succeed(answer)
    )

  return {
    get: (id) => outside("read a job", find.get(id)),
    getMany: (ids) => outside("read jobs", find.getMany(ids)),
    attempts: (id) => outside("read attempts", find.attempts(id)),
    query: (page) => search("find jobs", find.query(page)),
    count: (filter, atMost) => search("count jobs", find.count(filter, atMost)),
    erase: (ids, by) => write("erase", (parts) => parts.erase(ids, by)),
    queues: outside("list queues", house.queues.list),
    ends: (withinMs) => outside("count ends", house.queues.ends(withinMs)),
    runnable: (queue) => outside("count what could run", house.queues.runnable(queue)),
    pause: (queue, paused) =>
      Effect.flatMap(
        write(paused ? "pause" : "resume", (parts) => parts.queues.pause(queue, paused)),
        (found) => found ? Effect.void : Effect.fail(new QueueNotFound({ queue }))
      ),
    configure: (queue, settings) => write("configure", (parts) => parts.queues.configure(queue, settings)),
    remove: (queue) => write("remove a queue", (parts) => parts.queues.remove(queue)),
    holds: {
      list: outside("list holds", house.holds.list),
      put: (hold) => write("hold", (parts) => parts.holds.put(hold)),
      release: (hold) => write("release", (parts) => parts.holds.release(hold))
    },
    limits: {
      list: outside("list limits", house.limits.list),
      set: (settings) => limit("set limit", (parts) => parts.limits.set(settings)),
      remove: (name) =>
        Effect.tap(
          write("remove a limit", (parts) => parts.limits.remove(name)),
          () => Effect.sync(() => ctx.limits.delete(name))
        ),
      take: (name, key, units) => limit("take", (parts) => parts.limits.take(name, key, units)),
      hold: (name, key, ms) => limit("hold limit", (parts) => parts.limits.hold(name, key, ms))
    },
    changes: changes.make(ctx.notifier)
  }
}

const patience = "10 seconds"

/** A search that reads too much ends, and says what to do. */
export const search = <A>(
  operation: string,
  work: Effect.Effect<A, SqlError>
): Effect.Effect<A, JobStoreUnavailable> => {
  const tooLong = new JobStoreUnavailable({
    operation,
    detail: `it read for ${patience} without coming to an end: narrow the filter by state, queue, task or time`
  })
  return Tx.outside(work).pipe(
    Effect.mapError((error) =>
      Option.contains(SqlFault.sqlState(error), "57014") ? tooLong : unavailable(operation, error)
    ),
    // behind a pooler the server has no limit of its own
    Effect.timeoutOrElse({ duration: "12 seconds", orElse: () => Effect.fail(tooLong) }),
    Effect.withTracerEnabled(false)
  )
}
