/**
 * The tables of Insights, in a database schema of their own.
 */
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"
import type { Migration } from "ostinato/store"

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
    })
  }
}
