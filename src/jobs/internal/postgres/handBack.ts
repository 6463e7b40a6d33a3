/**
 * Claimed jobs go back to where they were, at once and unspent.
 */
import * as Effect from "effect/Effect"
import type { Working } from "../../JobStore.ts"
import { addressOf } from "./claim.ts"
import * as columns from "./columns.ts"
import { outside, type StoreContext } from "./StoreContext.ts"
import type { Wakes } from "./wakes.ts"

export const make = ({ house, s }: StoreContext, wakes: Wakes): Pick<Working, "handBack"> => ({
  handBack: (member, jobs) =>
    jobs.length === 0 ? Effect.void : outside(
      "hand back",
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
    )
})
