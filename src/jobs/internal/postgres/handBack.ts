/**
 * Claimed jobs go back to where they were, at once and unspent. Those that are to be cancelled end instead.
 */
import * as Effect from "effect/Effect"
import type { Claimed, End, Member, Working } from "../../JobStore.ts"
import * as columns from "./columns.ts"
import { outside, type StoreContext } from "./StoreContext.ts"
import { addressOf } from "./TakenJob.ts"
import type { Wakes } from "./wakes.ts"

export const make = (
  { house, s }: StoreContext,
  wakes: Wakes,
  finish: Working["finish"]
): Pick<Working, "handBack"> => {
  const unwanted = (member: Member, jobs: ReadonlyArray<Claimed>) =>
    Effect.map(
      house.unsafe<{ job_id: bigint }>(
        `select job_id from ${s}.control where worker_id = $1::int and job_id = any($2::bigint[])`,
        [member.id, columns.int8(jobs.map((job) => addressOf(job).jobId))]
      ).unprepared,
      (rows) => new Set(rows.map((row) => row.job_id))
    )
  const back = (member: Member, jobs: ReadonlyArray<Claimed>) =>
    Effect.flatMap(
      house.unsafe<{ queue_id: number }>(
        `update ${s}.ready r set worker_id = null, claimed_at = null, available_at = now(), attempt = r.attempt - 1
         from unnest($2::int[], $3::smallint[], $4::bigint[], $5::bigint[], $6::int[]) as i(queue_id, priority, ord, job_id, epoch)
         where r.queue_id = i.queue_id and r.priority = i.priority and r.ord = i.ord and r.job_id = i.job_id
           and r.worker_id = $1::int and r.epoch = i.epoch
         returning r.queue_id`,
        [
          member.id,
          columns.int4(jobs.map((job) => addressOf(job).queueId)),
          columns.int2(jobs.map((job) => addressOf(job).priority)),
          columns.int8(jobs.map((job) => addressOf(job).ord)),
          columns.int8(jobs.map((job) => addressOf(job).jobId)),
          columns.int4(jobs.map((job) => job.epoch))
        ]
      ).unprepared,
      (rows) => wakes.woken(Array.from(new Set(rows.map((row) => row.queue_id))))
    )
  return {
    handBack: Effect.fnUntraced(function*(member, jobs) {
      if (jobs.length === 0) return
      const ids = yield* outside("hand back", unwanted(member, jobs))
      const goes = (job: Claimed) => ids.has(addressOf(job).jobId)
      if (ids.size > 0) yield* finish(member, jobs.filter(goes).map(snoozed))
      yield* outside("hand back", back(member, jobs.filter((job) => !goes(job))))
    })
  }
}

/** An end that makes no difference to one that is to be cancelled. */
const snoozed = (job: Claimed): End => ({
  job,
  outcome: "snooze",
  delayMs: 0,
  output: undefined,
  failure: null,
  note: null,
  report: null,
  logs: []
})
