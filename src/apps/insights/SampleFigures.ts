/**
 * Takes the day's gauges of a repository that is as it was when it was last collected, without reading its history again.
 *
 * One statement: all gauges of the day are there or none is. What the day has already stays.
 */
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"
import * as StoredText from "ostinato/store/StoredText"
import type { Repository } from "./Git.ts"
import type { Release } from "./GitTags.ts"

/** What is known of a repository that is as it was. */
export interface Known {
  readonly head: string
  readonly commits: number
  readonly contributors: number
}

/** Gives null where the repository is not known as it is now: other commits, another branch, other tags. */
export const sample = Effect.fnUntraced(function*(
  place: string,
  { branch, head }: Repository,
  releases: ReadonlyArray<Release>
) {
  const sql = yield* SqlClient.SqlClient
  const [known] = yield* sql<Known>`
    WITH tag AS MATERIALIZED (
      SELECT name, min(commit) AS commit
      FROM unnest(${releases.map(({ name }) => StoredText.text(name))}::text[],
        ${releases.map(({ commit }) => commit)}::text[]) AS t(name, commit) GROUP BY name
    ), known AS (
      UPDATE insights.repository r SET synced_at = now()
      WHERE r.path = ${StoredText.text(place)} AND r.deleted_at IS NULL AND r.head = ${head}
        AND r.branch IS NOT DISTINCT FROM ${branch}::text
        AND (SELECT count(*) FROM insights.release o WHERE o.repository_id = r.id) = (SELECT count(*) FROM tag)
        AND NOT EXISTS (
          SELECT FROM tag t
          WHERE NOT EXISTS (
            SELECT FROM insights.release o WHERE o.repository_id = r.id AND o.name = t.name AND o.commit = t.commit))
      RETURNING r.*
    ), point AS (
      INSERT INTO insights.metric_point (entity_kind, entity_id, metric, at, value, source)
      SELECT 'repository', k.id, v.metric, (now() AT TIME ZONE 'UTC')::date, v.value, 'git'
      FROM known k CROSS JOIN LATERAL (VALUES ('additions', k.additions), ('bytes', k.bytes), ('commits', k.commits),
        ('contributors', k.contributors), ('deletions', k.deletions), ('files', k.files), ('releases', k.releases))
        AS v(metric, value)
      ON CONFLICT DO NOTHING
    )
    SELECT head, commits::int AS commits, contributors::int AS contributors FROM known`
  return known ?? null
})
