/**
 * Brings repositories, accounts and platforms together: who belongs to whom, and what their figures come to.
 *
 * The figures of an account are the sums over its live repositories, those of a platform the sums over its accounts;
 * only contributors are counted anew, each person once. All sums are written in one transaction, so readers see those of
 * before or of after. Written again over the same repositories, nothing changes, and what is known of earlier days stays.
 */
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"
import { Database } from "ostinato/store/Database"

/** Finds or makes the account of every live repository. Gives how many accounts have one. */
export const linkAccounts = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  yield* alone
  yield* sql`
    INSERT INTO insights.account (kind, base_url, login)
    SELECT DISTINCT kind, base_url, owner FROM insights.repository WHERE owner IS NOT NULL AND deleted_at IS NULL
    ORDER BY kind, base_url, owner ON CONFLICT DO NOTHING`
  yield* sql`
    UPDATE insights.repository r SET account_id = a.id FROM insights.account a
    WHERE a.kind = r.kind AND a.base_url = r.base_url AND a.login = r.owner AND r.account_id IS DISTINCT FROM a.id`
  return yield* count("SELECT count(DISTINCT account_id) AS n FROM insights.repository WHERE deleted_at IS NULL")
}).pipe(Database.transaction)

/** Finds or makes the platform of every account. Gives how many platforms there are. */
export const linkPlatforms = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  yield* alone
  yield* sql`
    INSERT INTO insights.platform (kind, base_url, name)
    SELECT DISTINCT kind, base_url,
      CASE base_url WHEN '' THEN 'this machine' ELSE regexp_replace(base_url, '^[a-z]+://', '') END
    FROM insights.account ORDER BY kind, base_url ON CONFLICT DO NOTHING`
  yield* sql`
    UPDATE insights.account a SET platform_id = p.id FROM insights.platform p
    WHERE p.kind = a.kind AND p.base_url = a.base_url AND a.platform_id IS DISTINCT FROM p.id`
  return yield* count("SELECT count(*) AS n FROM insights.platform")
}).pipe(Database.transaction)

/** Sums up. Gives how many accounts and platforms have figures. */
export const sum = Effect.gen(function*() {
  yield* alone
  yield* write(
    "account",
    "SELECT id, account_id AS parent, 'repository' AS kind FROM insights.repository WHERE deleted_at IS NULL",
    "r.account_id"
  )
  yield* write("platform", "SELECT id, platform_id AS parent, 'account' AS kind FROM insights.account", "a.platform_id")
  return yield* count(
    "SELECT count(DISTINCT entity_id) AS n FROM insights.metric_point WHERE entity_kind IN ('account', 'platform')"
  )
}).pipe(Database.transaction)

// two at once would each miss what the other has written, or wait for each other; held until the transaction ends
const alone = Effect.flatMap(SqlClient.SqlClient, (sql) => sql`SELECT 1 FROM insights.installation FOR UPDATE`)

const count = Effect.fnUntraced(function*(text: string) {
  const sql = yield* SqlClient.SqlClient
  const rows = yield* sql<{ n: number }>`SELECT n::int FROM (${sql.literal(text)}) AS counted`
  return rows[0]?.n ?? 0
})

const write = Effect.fnUntraced(function*(kind: "account" | "platform", children: string, owner: string) {
  const sql = yield* SqlClient.SqlClient
  const wanted = sql`
    SELECT parent AS id, metric, at, sum(value)::bigint AS value FROM (
      SELECT c.parent, t.metric, d.today AS at, t.value
      FROM child c JOIN insights.metric_total t ON t.entity_kind = c.kind AND t.entity_id = c.id
      JOIN insights.metric m ON m.name = t.metric AND m.kind = 'gauge' AND m.name <> 'contributors' CROSS JOIN day d
      UNION ALL
      SELECT c.parent, p.metric, p.at, p.value
      FROM child c JOIN insights.metric_point p ON p.entity_kind = c.kind AND p.entity_id = c.id
      JOIN insights.metric m ON m.name = p.metric AND m.kind = 'daily'
      UNION ALL
      SELECT o.parent, 'contributors', d.today, count(DISTINCT o.author_id) FROM (
        SELECT ${sql.literal(owner)} AS parent, c.author_id
        FROM insights.repository r JOIN insights.account a ON a.id = r.account_id
        JOIN insights.commit_day c ON c.repository_id = r.id WHERE r.deleted_at IS NULL
      ) AS o CROSS JOIN day d GROUP BY o.parent, d.today
      UNION ALL
      SELECT c.parent, 'repositories', d.today, count(*) FROM child c CROSS JOIN day d
      WHERE c.kind = 'repository' GROUP BY c.parent, d.today
      UNION ALL
      -- what has nothing left to sum comes to nothing, instead of keeping its last value
      SELECT DISTINCT p.entity_id, p.metric, d.today, 0
      FROM insights.metric_point p JOIN insights.metric m ON m.name = p.metric AND m.kind = 'gauge' CROSS JOIN day d
      WHERE p.entity_kind = ${kind} AND p.source = 'sum'
    ) AS part WHERE parent IS NOT NULL GROUP BY parent, metric, at`
  const around = sql`
    day AS (SELECT (now() AT TIME ZONE 'UTC')::date AS today), child AS (${sql.literal(children)}),
    wanted AS MATERIALIZED (${wanted})`
  yield* sql`
    WITH ${around}
    DELETE FROM insights.metric_point p USING day d
    WHERE p.entity_kind = ${kind} AND p.source = 'sum'
      AND (p.at = d.today OR p.metric IN (SELECT name FROM insights.metric WHERE kind = 'daily'))
      AND NOT EXISTS (SELECT FROM wanted w WHERE w.id = p.entity_id AND w.metric = p.metric AND w.at = p.at)`
  yield* sql`
    WITH ${around}
    INSERT INTO insights.metric_point AS p (entity_kind, entity_id, metric, at, value, source)
    SELECT ${kind}, w.id, w.metric, w.at, w.value, 'sum' FROM wanted w
    ON CONFLICT (entity_kind, entity_id, metric, at) DO UPDATE SET value = excluded.value, source = excluded.source
    WHERE p.source = 'sum' AND p.value IS DISTINCT FROM excluded.value`
})
