/**
 * A worker that has one job begun and nothing else in hand says so, with that job's epoch, in its own row: there the rescue
 * finds it, until the worker takes it back because others join the job. The connection that said so is noted beside that of
 * the heartbeat: a process that dies loses both, and one that is stopped keeps what nobody cuts. So a lease that is over says
 * nothing any more, and where the heartbeat's connection is gone it has to beat over another first.
 */
import * as Effect from "effect/Effect"
import type { Claimed, Member, Working } from "../../JobStore.ts"
import { outside, type StoreContext } from "./StoreContext.ts"
import { addressOf } from "./TakenJob.ts"

export const make = ({ database, house, s }: StoreContext): Pick<Working, "isolate"> => {
  const note = (member: Member, job: Claimed) => {
    const { jobId, ord, priority, queueId } = addressOf(job)
    return Effect.map(
      house.unsafe<{ id: number }>(
        `update ${s}.worker w set alone_job = $5::bigint, alone_epoch = $6::int,
           witness_pid = a.pid, witness_start = a.backend_start
         from (values (1)) as one left join pg_stat_get_activity(pg_backend_pid()) a on $7::boolean
         where w.id = $1::int and w.expires_at > now() and exists (select from ${s}.ready r
           where r.queue_id = $2::int and r.priority = $3::smallint and r.ord = $4::bigint and r.job_id = $5::bigint
             and r.worker_id = w.id and r.epoch = $6::int)
           and (w.backend_pid is null or exists (select from pg_stat_activity a
             where a.pid = w.backend_pid and coalesce(a.backend_start, w.backend_start) = w.backend_start))
         returning w.id`,
        [member.id, queueId, priority, ord, jobId, job.epoch, !database.pooler]
      ).unprepared,
      (rows) => rows.length > 0
    )
  }
  const forget = (member: Member) =>
    Effect.as(
      house.unsafe(`update ${s}.worker set alone_job = null, alone_epoch = null where id = $1::int`, [member.id])
        .unprepared,
      true
    )
  return {
    isolate: (member, job) => outside("isolate", job === null ? forget(member) : note(member, job))
  }
}
