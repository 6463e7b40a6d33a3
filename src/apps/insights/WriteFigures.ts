/**
 * Writes what was read of a repository, so that readers see the old figures or the new ones, never a mixture.
 *
 * The days of a history come in parts of any number and wait in a table apart; one short transaction then brings them
 * and everything else into place. Rows that are as they were are not touched, so the same history written again changes
 * nothing, and a history that was rewritten takes away what it no longer has. Any number may write at once.
 */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"
import type * as Statement from "effect/sql/Statement"
import { randomUUID } from "node:crypto"
import { Database } from "ostinato/store/Database"
import * as StoredText from "ostinato/store/StoredText"
import { busFactor } from "./BusFactor.ts"
import type { Repository } from "./Git.ts"
import type { History, NamedDay } from "./GitHistory.ts"
import type { Release } from "./GitTags.ts"
import type { Tree } from "./GitTree.ts"

/** Whom a repository belongs to. */
export interface Owner {
  /** The software of the platform. */
  readonly kind: "git"
  /** Where the platform is, e.g. `https://example.org`; empty for the machine that the service runs on. */
  readonly baseUrl: string
  /** The account: an owner there, or the directory of a clone here. */
  readonly login: string
}

/** Everything that was read of one repository. */
export interface Collected {
  readonly repository: Repository
  /** The real path of the clone, or the URL: what it is known by. */
  readonly place: string
  readonly owner: Owner
  readonly history: Omit<History, "days">
  readonly tree: Tree
  readonly releases: ReadonlyArray<Release>
}

/** A place for the days of one history until the whole of it is there. */
export const newStaging = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  // what a process that died left behind
  yield* sql`DELETE FROM insights.commit_day_staged WHERE staged_at < now() - interval '1 day'`
  return randomUUID()
})

/** Puts days into a staging. */
export const stage = Effect.fnUntraced(function*(staging: string, days: ReadonlyArray<NamedDay>) {
  const sql = yield* SqlClient.SqlClient
  const names = days.map((day) => StoredText.text(day.name))
  const emails = days.map((day) => StoredText.text(day.email))
  // sorted, so that two writers with authors in common cannot wait for each other
  yield* sql`
    INSERT INTO insights.author (name, email_hash)
    SELECT DISTINCT name, sha256(i.email_key || convert_to(email, 'UTF8')) AS email_hash
    FROM unnest(${names}::text[], ${emails}::text[]) AS a(name, email), insights.installation i
    ORDER BY name, email_hash ON CONFLICT DO NOTHING`
  yield* sql`
    INSERT INTO insights.commit_day_staged (staging, day, author_id, commits, additions, deletions)
    SELECT ${staging}::uuid, d.day::date, a.id, d.commits, d.additions, d.deletions
    FROM unnest(${days.map(({ day }) => day)}::text[], ${names}::text[], ${emails}::text[],
        ${days.map(({ commits }) => commits)}::bigint[], ${days.map(({ additions }) => additions)}::bigint[],
        ${days.map(({ deletions }) => deletions)}::bigint[])
      AS d(day, name, email, commits, additions, deletions)
    CROSS JOIN insights.installation i
    JOIN insights.author a ON a.name = d.name AND a.email_hash = sha256(i.email_key || convert_to(d.email, 'UTF8'))`
})

/** Takes the days of a staging that came to nothing away. */
export const discard = (staging: string) =>
  Effect.flatMap(
    SqlClient.SqlClient,
    (sql) => Effect.asVoid(sql`DELETE FROM insights.commit_day_staged WHERE staging = ${staging}::uuid`)
  )

/** Brings everything into place; the staging is gone afterwards. Gives the id of the repository. */
export const write = Effect.fnUntraced(function*(collected: Collected, staging: string) {
  const sql = yield* SqlClient.SqlClient
  const id = (yield* repositoryRow(collected))[0]?.id ?? ""
  const { history, releases, tree } = collected
  // two identities that differ only in bytes that are not text share one row
  yield* replace(
    "commit_day",
    { keys: ["day", "author_id"], values: ["commits", "additions", "deletions"] },
    id,
    sql`
      SELECT day, author_id, sum(commits) AS commits, sum(additions) AS additions, sum(deletions) AS deletions
      FROM insights.commit_day_staged WHERE staging = ${staging}::uuid GROUP BY day, author_id`
  )
  yield* discard(staging)
  yield* replace(
    "commit_hour",
    { keys: ["weekday", "hour"], values: ["commits"] },
    id,
    sql`
      SELECT * FROM unnest(${history.hours.map(({ weekday }) => weekday)}::smallint[],
        ${history.hours.map(({ hour }) => hour)}::smallint[], ${history.hours.map(({ commits }) => commits)}::bigint[])
        AS h(weekday, hour, commits)`
  )
  yield* replace(
    "language_bytes",
    { keys: ["language"], values: ["files", "bytes"] },
    id,
    sql`
      SELECT * FROM unnest(${tree.languages.map(({ language }) => language)}::text[],
        ${tree.languages.map(({ files }) => files)}::bigint[], ${tree.languages.map(({ bytes }) => bytes)}::bigint[])
        AS l(language, files, bytes)`
  )
  const year = DateTime.toEpochMillis(DateTime.add(yield* DateTime.now, { years: 1 })) / 1000
  yield* replace(
    "release",
    { keys: ["name"], values: ["commit", "at"] },
    id,
    sql`
      SELECT name, min(commit) AS commit, to_timestamp(min(least(at, ${year}::float8))) AS at
      FROM unnest(${releases.map(({ name }) => StoredText.text(name))}::text[],
        ${releases.map(({ commit }) => commit)}::text[], ${releases.map(({ at }) => at)}::float8[])
        AS t(name, commit, at) GROUP BY name`
  )
  yield* points("repository", id, "git", gauges(collected))
  return id
}, Database.transaction)

const gauges = ({ history, releases, tree }: Collected) => ({
  additions: history.additions,
  bytes: tree.bytes,
  commits: history.commits,
  contributors: history.authors.length,
  deletions: history.deletions,
  files: tree.files,
  releases: releases.length
})

/** Writes gauges of today, in UTC. */
const points = Effect.fnUntraced(function*(
  kind: "repository",
  id: string,
  source: string,
  values: Readonly<Record<string, number>>
) {
  const sql = yield* SqlClient.SqlClient
  yield* sql`
    INSERT INTO insights.metric_point AS p (entity_kind, entity_id, metric, at, value, source)
    SELECT ${kind}, ${id}::uuid, v.metric, (now() AT TIME ZONE 'UTC')::date, v.value, ${source}
    FROM unnest(${Object.keys(values)}::text[], ${Object.values(values)}::bigint[]) AS v(metric, value)
    ON CONFLICT (entity_kind, entity_id, metric, at) DO UPDATE SET value = excluded.value, source = excluded.source
    WHERE (p.value, p.source) IS DISTINCT FROM (excluded.value, excluded.source)`
})

const repositoryRow = Effect.fnUntraced(function*({ history, owner, place, releases, repository, tree }: Collected) {
  const sql = yield* SqlClient.SqlClient
  const { authors, firstDay, lastDay } = history
  return yield* sql<{ id: string }>`
    INSERT INTO insights.repository (path, name, branch, head, commits, contributors, additions, deletions, first_day,
      last_day, kind, base_url, owner, files, bytes, releases, bus_factor)
    VALUES (${StoredText.text(place)}, ${StoredText.text(repository.name)}, ${repository.branch}, ${repository.head},
      ${history.commits}, ${authors.length}, ${history.additions}, ${history.deletions}, ${firstDay}::text::date,
      ${lastDay}::text::date, ${owner.kind}, ${owner.baseUrl}, ${StoredText.text(owner.login)}, ${tree.files},
      ${tree.bytes}, ${releases.length}, ${busFactor(authors.map(({ commits }) => commits))})
    ON CONFLICT (path) DO UPDATE SET name = excluded.name, branch = excluded.branch, head = excluded.head,
      commits = excluded.commits, contributors = excluded.contributors, additions = excluded.additions,
      deletions = excluded.deletions, first_day = excluded.first_day, last_day = excluded.last_day,
      kind = excluded.kind, base_url = excluded.base_url, owner = excluded.owner, files = excluded.files,
      bytes = excluded.bytes, releases = excluded.releases, bus_factor = excluded.bus_factor, synced_at = now()
    RETURNING id::text`
})

/** Makes the rows of one repository in a table those of `wanted`, touching only what differs. */
const replace = Effect.fnUntraced(function*(
  table: string,
  { keys, values }: { readonly keys: ReadonlyArray<string>; readonly values: ReadonlyArray<string> },
  id: string,
  wanted: Statement.Fragment
) {
  const sql = yield* SqlClient.SqlClient
  const list = (columns: ReadonlyArray<string>, prefix: string) =>
    sql.literal(columns.map((column) => `${prefix}${column}`).join(", "))
  const into = sql.literal(`insights.${table}`)
  yield* sql`
    WITH w AS MATERIALIZED (${wanted})
    DELETE FROM ${into} t WHERE t.repository_id = ${id}::uuid
      AND NOT EXISTS (SELECT FROM w WHERE ${sql.literal(keys.map((key) => `w.${key} = t.${key}`).join(" AND "))})`
  yield* sql`
    WITH w AS MATERIALIZED (${wanted})
    INSERT INTO ${into} AS t (repository_id, ${list(keys, "")}, ${list(values, "")})
    SELECT ${id}::uuid, ${list(keys, "w.")}, ${list(values, "w.")} FROM w
    ON CONFLICT (repository_id, ${list(keys, "")})
    DO UPDATE SET ${sql.literal(values.map((value) => `${value} = excluded.${value}`).join(", "))}
    WHERE (${list(values, "t.")}) IS DISTINCT FROM (${list(values, "excluded.")})`
})
