/**
 * What handlers say about how far they are: the newest word of the newest attempt.
 */
import * as Effect from "effect/Effect"
import type { Working } from "../../JobStore.ts"
import * as columns from "./columns.ts"
import * as jsonText from "./jsonText.ts"
import { outside, type StoreContext } from "./StoreContext.ts"
import { addressOf } from "./TakenJob.ts"
import type { Wakes } from "./wakes.ts"

export const make = ({ house, s }: StoreContext, wakes: Wakes): Pick<Working, "progress"> => ({
  progress: (member, said) =>
    said.length === 0 ? Effect.void : outside(
      "progress",
      Effect.andThen(
        house.unsafe(
          `with i as (
             select distinct on (job_id) * from unnest($2::int[], $3::smallint[], $4::bigint[], $5::bigint[], $6::int[],
               $7::text[]) with ordinality as i(queue_id, priority, ord, job_id, epoch, value, n) order by job_id, n desc)
           insert into ${s}.progress as p (job_id, epoch, value)
           select i.job_id, i.epoch, i.value::jsonb from i join ${s}.ready r on r.queue_id = i.queue_id
             and r.priority = i.priority and r.ord = i.ord and r.job_id = i.job_id and r.worker_id = $1::int and r.epoch = i.epoch
           order by i.job_id
           on conflict (job_id) do update set epoch = excluded.epoch, value = excluded.value, at = now()
           where p.epoch <= excluded.epoch`,
          [
            member.id,
            columns.int4(said.map(({ job }) => addressOf(job).queueId)),
            columns.int2(said.map(({ job }) => addressOf(job).priority)),
            columns.int8(said.map(({ job }) => addressOf(job).ord)),
            columns.int8(said.map(({ job }) => addressOf(job).jobId)),
            columns.int4(said.map(({ job }) => job.epoch)),
            columns.text(said.map(({ value }) => readable(jsonText.stored(value))))
          ]
        ).unprepared,
        wakes.changed
      )
    )
})

// what is too large to be read back says nothing
const readable = (text: string) => jsonText.fits(text) ? text : "null"
