/**
 * Jobs that a job waits for, and tasks whose jobs a queue holds.
 */
import * as Effect from "effect/Effect"
import * as StoredText from "../../../store/StoredText.ts"
import type { Working } from "../../JobStore.ts"
import { decodeJobs, jobColumns } from "./jobRow.ts"
import { outside, type StoreContext } from "./StoreContext.ts"

export const make = ({ house, s }: StoreContext): Pick<Working, "parents" | "tasksOf"> => ({
  parents: (id) =>
    outside(
      "parents",
      Effect.flatMap(
        house.unsafe(
          `select ${jobColumns("v")} from ${s}.edge e join ${s}.jobs v on v.id = e.parent_id
           where e.child_id = $1::bigint order by v.id`,
          [id]
        ).unprepared,
        decodeJobs
      )
    ),
  tasksOf: (queue) =>
    outside(
      "tasks of queue",
      Effect.map(
        house.unsafe<{ name: string }>(
          `select t.name from ${s}.queue q join ${s}.queue_task p on p.queue_id = q.id join ${s}.task t on t.id = p.task_id
           where q.name = $1 and (
             exists (select from ${s}.ready r join ${s}.job j on j.id = r.job_id
               where r.queue_id = q.id and j.task_id = t.id and j.queue_id = q.id)
             or exists (select from ${s}.later l join ${s}.job j on j.id = l.job_id
               where l.queue_id = q.id and j.task_id = t.id))
           order by t.name`,
          [StoredText.text(queue)]
        ).unprepared,
        (rows) => rows.map(({ name }) => name)
      )
    )
})
