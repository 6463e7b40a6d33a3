/**
 * Whether an attempt is still the newest of its job: its row is locked until the transaction ends, so that no rescue comes
 * between this and what else the transaction writes.
 */
import * as Effect from "effect/Effect"
import type { Working } from "../../JobStore.ts"
import { joining, type StoreContext } from "./StoreContext.ts"
import { addressOf } from "./TakenJob.ts"

export const make = (ctx: StoreContext): Pick<Working, "owns"> => ({
  owns: (member, job) => {
    const { jobId, ord, priority, queueId } = addressOf(job)
    return joining(ctx, "owns", (sql) =>
      Effect.map(
        sql.unsafe<{ owned: boolean }>(
          `select true as owned from ${ctx.s}.ready where queue_id = $1::int and priority = $2::smallint and ord = $3::bigint
             and job_id = $4::bigint and worker_id = $5::int and epoch = $6::int for share`,
          [queueId, priority, ord, jobId, member.id, job.epoch]
        ).unprepared,
        (rows) => rows.length > 0
      ))
  }
})
