/** What the database says when all is over, read past the product: its tables, and the table that the jobs write into. */
import type { Onlooker } from "../onlooker.ts"
import type { Row } from "./model.ts"

/** Makes the table that the jobs write into. */
export const setUp = async ({ ask }: Onlooker): Promise<void> => {
  await ask((sql) => sql`CREATE SCHEMA prove`)
  await ask((sql) => sql`CREATE TABLE prove.effect (key text NOT NULL, epoch int NOT NULL)`)
}

/** Every job. One that is in none of the places where a job can be, or in two of them, has a state that no job may have. */
export const readRows = ({ ask }: Onlooker): Promise<ReadonlyArray<Row>> =>
  ask<Row>((sql) =>
    sql`
      SELECT j.id::text AS id, j.args AS payload, d.epoch,
        CASE (r.job_id IS NOT NULL)::int + (l.job_id IS NOT NULL)::int + (d.job_id IS NOT NULL)::int
          WHEN 0 THEN 'nowhere'
          WHEN 1 THEN CASE
            WHEN d.outcome = 'c' THEN 'completed' WHEN d.outcome = 'f' THEN 'discarded' WHEN d.outcome = 'x' THEN 'cancelled'
            WHEN r.worker_id IS NOT NULL THEN 'running at worker ' || r.worker_id
            WHEN r.job_id IS NOT NULL THEN 'available' ELSE 'later ' || l.state::text END
          ELSE 'in two places' END AS state
      FROM ostinato.job j
      LEFT JOIN ostinato.ready r ON r.queue_id = j.queue_id AND r.priority = j.priority AND r.ord = j.ord AND r.job_id = j.id
      LEFT JOIN ostinato.later l ON l.job_id = j.id
      LEFT JOIN ostinato.done d ON d.job_id = j.id`
  )

/** Keys of the rows that the jobs wrote, each as often as it is there. */
export const readEffects = async ({ ask }: Onlooker): Promise<ReadonlyArray<string>> =>
  (await ask<{ readonly key: string }>((sql) => sql`SELECT key FROM prove.effect`)).map(({ key }) => key)

/** How many jobs have not ended; none before the first one is there. */
export const countLive = async ({ tell }: Onlooker): Promise<number | undefined> => {
  const rows = await tell<{ live: number }>((sql) =>
    sql`SELECT (SELECT count(*) FROM ostinato.ready)::int + (SELECT count(*) FROM ostinato.later)::int AS live`
  )
  return rows[0]?.live
}
