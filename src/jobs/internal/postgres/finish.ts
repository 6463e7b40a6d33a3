/**
 * Ends of attempts: plain completions of a queue by one array of ids, everything else by the longer way. An end that was
 * written before, and whose answer was lost, is not fenced.
 */
import type * as PgClient from "@effect/sql-pg/PgClient"
import * as Effect from "effect/Effect"
import type { SqlError } from "effect/sql/SqlError"
import { type JobId } from "../../Job.ts"
import { LeaseLost, OtherTransaction } from "../../JobError.ts"
import type { End, Member, Working } from "../../JobStore.ts"
import * as columns from "./columns.ts"
import { type Group, grouped, type Row, row } from "./ends.ts"
import { inTransaction, outside, type StoreContext, unavailable } from "./StoreContext.ts"
import { addressOf } from "./TakenJob.ts"
import type { Wakes } from "./wakes.ts"

export const make = ({ house, s, user }: StoreContext, wakes: Wakes) => {
  const completeText = `select * from ${s}.complete($1::int, $2::int, $3::smallint, $4::int, $5::bigint[], $6::boolean)`
  const finishText =
    `select * from ${s}.finish($1::int, $2::int, $3::smallint, $4::bigint[], $5::bigint[], $6::int[], $7::text[]::"char"[],
    $8::bigint[], $9::text[]::jsonb[], $10::text[]::jsonb[], $11::text[]::jsonb[], $12::text[]::jsonb[], $13::text[],
    $14::smallint[], $15::boolean)`

  const completed = (sql: PgClient.PgClient, member: Member, group: Group) =>
    sql.unsafe<Answer>(completeText, [
      member.id,
      group.queueId,
      group.priority,
      group.epoch,
      columns.int8(group.ends.map(({ job }) => addressOf(job).jobId)),
      group.history
    ])
  const finished = (sql: PgClient.PgClient, member: Member, group: Group, release: boolean) => {
    const { ends } = group
    const rows = ends.map(row)
    const text = (value: (row: Row) => string | null) => columns.sparse(columns.text, rows.map(value))
    return sql.unsafe<Answer>(finishText, [
      member.id,
      group.queueId,
      group.priority,
      columns.int8(ends.map(({ job }) => addressOf(job).ord)),
      columns.int8(ends.map(({ job }) => addressOf(job).jobId)),
      columns.int4(ends.map(({ job }) => job.epoch)),
      text(({ outcome }) => outcome),
      columns.sparse(columns.int8, ends.map(({ delayMs }) => delayMs > 0 ? BigInt(Math.ceil(delayMs)) : null)),
      text(({ output }) => output),
      text(({ report }) => report),
      text(({ cause }) => cause),
      text(({ logs }) => logs),
      text(({ note }) => note),
      columns.int2(ends.map(({ job }) => (addressOf(job).flags & 47) | (job.meta.forget === true ? 8 : 0))),
      release
    ])
  }

  /**
   * Those that are not on record as ended by this attempt: the answer to an earlier call may have been lost. Since then the
   * job may have been cancelled while it waited; what a rescue decided has an epoch of its own.
   */
  const reallyFenced = (member: Member, ends: ReadonlyArray<End>) =>
    Effect.map(
      house.unsafe<{ job_id: bigint }>(
        `select t.job_id from unnest($2::bigint[], $3::int[]) as t(job_id, epoch) where not exists (
           select from ${s}.done d where d.job_id = t.job_id and d.epoch = t.epoch
             and (d.worker_id = $1::int or d.worker_id is null))
         and not exists (select from ${s}.later l where l.job_id = t.job_id and l.epoch = t.epoch)`,
        [
          member.id,
          columns.int8(ends.map(({ job }) => addressOf(job).jobId)),
          columns.int4(ends.map(({ job }) => job.epoch))
        ]
      ),
      (rows) => {
        const fenced = new Set(rows.map((row) => row.job_id))
        return ends.flatMap(({ job }) => fenced.has(addressOf(job).jobId) ? [job.id] : [])
      }
    )

  const finish: Working["finish"] = (member, ends) =>
    outside(
      "finish",
      Effect.gen(function*() {
        const fenced = new Set<JobId>()
        for (const group of grouped(ends)) {
          const [answer] = yield* group.epoch === null
            ? finished(house, member, group, true)
            : completed(house, member, group)
          if (answer === undefined) continue
          yield* wakes.woken(answer.woken)
          if (answer.fenced.length === 0) continue
          const ids = new Set(answer.fenced)
          const doubtful = group.ends.filter(({ job }) => ids.has(addressOf(job).jobId))
          for (const id of yield* reallyFenced(member, doubtful)) fenced.add(id)
        }
        if (ends.length > 0) yield* wakes.changed
        if (ends.some(({ outcome }) => outcome === "retry" || outcome === "snooze")) {
          yield* wakes.due(
            Math.min(...ends.flatMap((end) => end.outcome === "retry" || end.outcome === "snooze" ? [end.delayMs] : []))
          )
        }
        return fenced
      })
    )

  const finishTx: Working["finishTx"] = (member, end) =>
    Effect.gen(function*() {
      if (!(yield* inTransaction(user))) return yield* new OtherTransaction({ operation: "completeTx" })
      const address = addressOf(end.job)
      const { priority, queueId } = address
      const group = { queueId, priority, epoch: null, history: true, ends: [end] }
      const [answer] = yield* Effect.mapError(
        finished(user, member, group, false),
        (error) => unavailable("complete", error)
      )
      if (answer === undefined || answer.fenced.length > 0) return yield* new LeaseLost({ id: end.job.id })
      // other finishers would wait for a lock on the key that is held until the commit
      yield* user.afterCommit(
        (address.flags & 4) === 4
          ? Effect.ignore(Effect.flatMap(outside("release", release(address.jobId)), wakes.woken))
          : Effect.void
      )
      yield* wakes.woken(answer.woken)
      yield* wakes.changed
    })
  const release = (id: bigint): Effect.Effect<ReadonlyArray<number>, SqlError> =>
    Effect.map(
      house.unsafe<{ woken: ReadonlyArray<number> }>(`select ${s}.release($1) as woken`, [columns.int8([id])]),
      ([row]) => row?.woken ?? []
    )
  return { finish, finishTx }
}

interface Answer {
  readonly fenced: ReadonlyArray<bigint>
  readonly woken: ReadonlyArray<number>
}
