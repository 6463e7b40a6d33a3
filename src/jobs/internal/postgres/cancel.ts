/**
 * Cancels, other due times and retries: what operators ask of jobs, in the transaction around it where one is open.
 */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import type { JobId } from "../../Job.ts"
import type { Steering } from "../../JobStore.ts"
import * as storeFailure from "../storeFailure.ts"
import * as channels from "./channels.ts"
import * as columns from "./columns.ts"
import { idOf } from "./ids.ts"
import * as jsonText from "./jsonText.ts"
import { joining, outside, type StoreContext } from "./StoreContext.ts"
import type { Wakes } from "./wakes.ts"

type Fate = "cancelled" | "requested" | "already" | "ended" | "unknown"

// what moved between the tables, or was locked, while it was looked for is there at one of the next looks
const pauses = [0, 1, 5, 20, 50]

export const make = (
  ctx: StoreContext,
  wakes: Wakes
): Pick<Steering, "cancel" | "reschedule" | "retry"> => {
  const { house, notifier, s, user } = ctx
  /** Permits go on: after the commit, where a transaction is open. */
  const release = (isOpen: boolean, ids: ReadonlyArray<bigint>) =>
    !isOpen || ids.length === 0 ? Effect.void : user.afterCommit(
      outside(
        "release",
        house.unsafe<{ woken: ReadonlyArray<number> }>(`select ${s}.release($1) as woken`, [
          columns.int8(ids)
        ])
      ).pipe(Effect.flatMap(([row]) => wakes.woken(row?.woken ?? null)), Effect.ignore)
    )

  /** Enters what was answered, and gives those that have to be asked for again. */
  const told = Effect.fnUntraced(function*(rows: ReadonlyArray<CancelRow>, fates: Map<JobId, Fate>) {
    const missed: Array<JobId> = []
    for (const { job_id, result, woken, worker_id } of rows) {
      if (job_id === null || result === null) {
        yield* wakes.woken(woken)
        continue
      }
      const id = idOf(job_id)
      if (result === "missed") missed.push(id)
      else fates.set(id, result)
      if (result === "requested" && worker_id !== null) yield* notifier.notify(channels.mail(worker_id))
    }
    return missed
  })

  const cancel: Steering["cancel"] = (ids, by) =>
    joining(ctx, "cancel", (sql, isOpen) =>
      Effect.gen(function*() {
        const fates = new Map<JobId, Fate>()
        const reason = jsonText.stored({ actor: by.actor, reason: by.reason })
        const cause = jsonText.stored(storeFailure.cancelled({ actor: by.actor, reason: by.reason }))
        let left = ids
        const look = (some: ReadonlyArray<JobId>, waits: boolean) =>
          sql.unsafe<CancelRow>(
            `select * from ${s}.cancel($1::bigint[], $2::jsonb, $3::jsonb, $4, $5)`,
            [columns.int8(some.map(BigInt)), reason, cause, !isOpen, waits]
          ).unprepared
        for (const pause of pauses) {
          if (left.length === 0) break
          yield* Effect.sleep(pause)
          left = yield* told(yield* look(left, false), fates)
        }
        const last: Array<JobId> = []
        for (const id of left) last.push(...(yield* told(yield* look([id], true), fates)))
        left = last
        for (const id of left) fates.set(id, "ended")
        yield* release(isOpen, Array.from(fates).flatMap(([id, fate]) => fate === "cancelled" ? [BigInt(id)] : []))
        yield* wakes.changed
        return fates
      }))

  const reschedule: Steering["reschedule"] = (ids, to) =>
    joining(ctx, "reschedule", (sql, isOpen) =>
      Effect.gen(function*() {
        const [row] = yield* sql.unsafe<RescheduleRow>(
          `select *, ceil(extract(epoch from coalesce($2::timestamptz, now() + $3::bigint * interval '1 millisecond') - now())
             * 1000)::bigint as due_ms from ${s}.reschedule($1::bigint[], $2::timestamptz, $3::bigint, $4::boolean)`,
          [
            columns.int8(ids.map(BigInt)),
            "runAt" in to ? DateTime.toDateUtc(to.runAt) : null,
            "delayMs" in to ? BigInt(Math.ceil(to.delayMs)) : null,
            !isOpen
          ]
        ).unprepared
        if (row === undefined) return new Set()
        const taken = row.taken.map(idOf)
        yield* release(isOpen, row.freed)
        yield* wakes.woken(row.woken)
        yield* wakes.due(Math.max(0, Number(row.due_ms)))
        yield* wakes.changed
        return new Set(taken)
      }))

  const retry: Steering["retry"] = (ids) =>
    joining(ctx, "retry", (sql) =>
      Effect.gen(function*() {
        const [row] = yield* sql.unsafe<{ taken: ReadonlyArray<bigint> }>(
          `select ${s}.retry_now($1::bigint[]) as taken`,
          [
            columns.int8(ids.map(BigInt))
          ]
        ).unprepared
        yield* wakes.due(0)
        yield* wakes.changed
        return new Set((row?.taken ?? []).map(idOf))
      }))
  return { cancel, reschedule, retry }
}

interface RescheduleRow {
  readonly taken: ReadonlyArray<bigint>
  readonly freed: ReadonlyArray<bigint>
  readonly woken: ReadonlyArray<number>
  readonly due_ms: bigint
}

interface CancelRow {
  readonly job_id: bigint | null
  readonly result: Fate | "missed" | null
  readonly worker_id: number | null
  readonly woken: ReadonlyArray<number>
}
