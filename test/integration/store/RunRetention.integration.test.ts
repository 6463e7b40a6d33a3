import * as PgClient from "@effect/sql-pg/PgClient"
import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type { Retention } from "ostinato/core/RunLog"
import * as PostgresRunLog from "ostinato/store/PostgresRunLog"
import { prune } from "../../../src/store/internal/RunRetention.ts"
import * as TestDatabase from "../../contract/TestDatabase.ts"

/** Runs that ended one an hour, the first an hour ago, and two that have not ended though they are old. */
const history = (hours: number) =>
  Effect.gen(function*() {
    const sql = yield* PgClient.PgClient
    yield* sql`TRUNCATE ostinato.run, ostinato.run_details`
    yield* sql`
      INSERT INTO ostinato.run (id, task, trigger, payload, status, host, pid, started_at, finished_at)
      SELECT gen_random_uuid(), 'old.' || n, '{"kind":"code"}', '{}', 'completed', 'h', 1, now() - n * interval '1 hour',
        now() - n * interval '1 hour'
      FROM generate_series(1, ${hours}) n`
    yield* sql`
      INSERT INTO ostinato.run (id, task, trigger, payload, status, host, pid, started_at)
      SELECT gen_random_uuid(), 'open', '{"kind":"code"}', '{}', status, 'h', 1, now() - interval '10 years'
      FROM unnest(ARRAY['running', 'waiting']) status`
    yield* sql`
      INSERT INTO ostinato.run_details (run_id, kept_at, details)
      SELECT id, finished_at, '{"attempts":[],"logs":[]}' FROM ostinato.run WHERE finished_at IS NOT NULL`
  })

const left = Effect.gen(function*() {
  const sql = yield* PgClient.PgClient
  const [counts] = yield* sql`
    SELECT count(*) FILTER (WHERE finished_at IS NOT NULL)::int AS ended, count(*) FILTER (WHERE finished_at IS NULL)::int AS open,
      (SELECT count(*)::int FROM ostinato.run_details) AS details,
      max(now() - finished_at)::text AS oldest
    FROM ostinato.run`
  return counts
})

const pruned = (hours: number, retention: Retention) =>
  Effect.gen(function*() {
    yield* history(hours)
    yield* prune(yield* PgClient.PgClient, "ostinato", retention)
    return yield* left
  })

layer(TestDatabase.layer(PostgresRunLog.migrations), { excludeTestServices: true })("retention of runs", (it) => {
  it.effect("D.8 a month of runs is bounded by number: the newest stay, and those that have not ended", () =>
    Effect.gen(function*() {
      assert.deepInclude(yield* pruned(30 * 24, { runs: 100, age: "365 days", details: "365 days" }), {
        ended: 100,
        open: 2,
        details: 100
      })
    }))

  it.effect("D.8 a month of runs is bounded by age, and their details by an age of their own", () =>
    Effect.gen(function*() {
      assert.deepInclude(yield* pruned(30 * 24, { runs: 10_000, age: "7 days", details: "1 day" }), {
        ended: 167,
        open: 2,
        details: 23
      })
    }))

  it.effect("D.8 goes on until everything is within its bounds, however much there is", () =>
    Effect.gen(function*() {
      assert.deepInclude(yield* pruned(5500, { runs: 10 }), { ended: 10, open: 2, details: 10 })
    }))
})
