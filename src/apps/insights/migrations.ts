/**
 * The tables of Insights, in a database schema of their own.
 */
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"
import type { Migration } from "ostinato/store"
import { metricKinds } from "./metricKinds.ts"

/** The line of migrations. */
export const migrations: Migration.Line = {
  name: "insights",
  schema: "insights",
  steps: {
    "0001_local_git": Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      // one row: the key under which e-mail addresses are hashed, so that hashes of two installations do not compare
      yield* sql`
        CREATE TABLE insights.installation (
          singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
          email_key bytea NOT NULL
        )`
      yield* sql`
        INSERT INTO insights.installation (email_key)
        SELECT sha256(convert_to(string_agg(gen_random_uuid()::text, ''), 'UTF8')) FROM generate_series(1, 4)`
      yield* sql`
        CREATE TABLE insights.repository (
          id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
          path text NOT NULL UNIQUE,
          name text NOT NULL,
          branch text,
          head text NOT NULL,
          commits bigint NOT NULL,
          contributors bigint NOT NULL,
          additions bigint NOT NULL,
          deletions bigint NOT NULL,
          first_day date,
          last_day date,
          synced_at timestamptz NOT NULL DEFAULT now()
        )`
      yield* sql`
        CREATE TABLE insights.author (
          id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
          name text NOT NULL,
          email_hash bytea NOT NULL,
          UNIQUE (name, email_hash)
        )`
      yield* sql`
        CREATE TABLE insights.commit_day (
          repository_id uuid NOT NULL REFERENCES insights.repository (id) ON DELETE CASCADE,
          day date NOT NULL,
          author_id bigint NOT NULL REFERENCES insights.author (id),
          commits bigint NOT NULL,
          additions bigint NOT NULL,
          deletions bigint NOT NULL,
          PRIMARY KEY (repository_id, day, author_id)
        )`
    }),
    "0002_accounts_and_platforms": Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      yield* sql`
        CREATE TABLE insights.platform (
          id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
          kind text NOT NULL,
          -- empty for the machine that the service runs on
          base_url text NOT NULL,
          name text NOT NULL,
          UNIQUE (kind, base_url)
        )`
      // its platform is found by a later stage than the account itself
      yield* sql`
        CREATE TABLE insights.account (
          id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
          kind text NOT NULL,
          base_url text NOT NULL,
          login text NOT NULL,
          platform_id uuid REFERENCES insights.platform (id),
          UNIQUE (kind, base_url, login)
        )`
      yield* sql`
        ALTER TABLE insights.repository
          ADD kind text NOT NULL DEFAULT 'git',
          ADD base_url text NOT NULL DEFAULT '',
          ADD owner text,
          ADD account_id uuid REFERENCES insights.account (id),
          ADD files bigint NOT NULL DEFAULT 0,
          ADD bytes bigint NOT NULL DEFAULT 0,
          ADD releases bigint NOT NULL DEFAULT 0,
          ADD bus_factor bigint NOT NULL DEFAULT 0,
          ADD deleted_at timestamptz`
      yield* sql`CREATE INDEX repository_account ON insights.repository (account_id)`
      // weekday and hour as the author lived them; 1 is Monday
      yield* sql`
        CREATE TABLE insights.commit_hour (
          repository_id uuid NOT NULL REFERENCES insights.repository (id) ON DELETE CASCADE,
          weekday smallint NOT NULL,
          hour smallint NOT NULL,
          commits bigint NOT NULL,
          PRIMARY KEY (repository_id, weekday, hour)
        )`
      yield* sql`
        CREATE TABLE insights.language_bytes (
          repository_id uuid NOT NULL REFERENCES insights.repository (id) ON DELETE CASCADE,
          language text NOT NULL,
          files bigint NOT NULL,
          bytes bigint NOT NULL,
          PRIMARY KEY (repository_id, language)
        )`
      yield* sql`
        CREATE TABLE insights.release (
          repository_id uuid NOT NULL REFERENCES insights.repository (id) ON DELETE CASCADE,
          name text NOT NULL,
          commit text NOT NULL,
          at timestamptz NOT NULL,
          PRIMARY KEY (repository_id, name)
        )`
      // days of a history that is being read, kept apart until the whole of it is there; lost in a crash, which is well
      yield* sql`
        CREATE UNLOGGED TABLE insights.commit_day_staged (
          staging uuid NOT NULL,
          day date NOT NULL,
          author_id bigint NOT NULL,
          commits bigint NOT NULL,
          additions bigint NOT NULL,
          deletions bigint NOT NULL,
          staged_at timestamptz NOT NULL DEFAULT now()
        )`
      yield* sql`CREATE INDEX commit_day_staged_staging ON insights.commit_day_staged (staging)`
      yield* sql`CREATE TABLE insights.metric (name text PRIMARY KEY, kind text NOT NULL)`
      const kinds = Object.entries(metricKinds)
      yield* sql`
        INSERT INTO insights.metric (name, kind)
        SELECT * FROM unnest(${kinds.map(([name]) => name)}::text[], ${kinds.map(([, kind]) => kind)}::text[])`
      yield* sql`
        CREATE TABLE insights.metric_point (
          entity_kind text NOT NULL CHECK (entity_kind IN ('repository', 'account', 'platform')),
          entity_id uuid NOT NULL,
          metric text NOT NULL REFERENCES insights.metric (name),
          at date NOT NULL,
          value bigint NOT NULL,
          source text NOT NULL,
          PRIMARY KEY (entity_kind, entity_id, metric, at)
        )`
      // what a metric comes to: the newest value of a gauge, the sum of a daily one; nothing for what must not be summed
      yield* sql`
        CREATE VIEW insights.metric_total AS
          SELECT p.entity_kind, p.entity_id, p.metric, sum(p.value)::bigint AS value
          FROM insights.metric_point p JOIN insights.metric m ON m.name = p.metric AND m.kind = 'daily'
          GROUP BY 1, 2, 3
          UNION ALL
          SELECT * FROM (
            SELECT DISTINCT ON (p.entity_kind, p.entity_id, p.metric) p.entity_kind, p.entity_id, p.metric, p.value
            FROM insights.metric_point p JOIN insights.metric m ON m.name = p.metric AND m.kind = 'gauge'
            ORDER BY p.entity_kind, p.entity_id, p.metric, p.at DESC
          ) AS newest`
      yield* sql`
        CREATE TABLE insights.run_item (
          run_id uuid NOT NULL,
          place text NOT NULL,
          status text NOT NULL,
          ms bigint NOT NULL,
          error text,
          at timestamptz NOT NULL DEFAULT now(),
          PRIMARY KEY (run_id, place)
        )`
      yield* sql`CREATE INDEX run_item_at ON insights.run_item (at)`
    })
  }
}
