import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as SqlClient from "effect/sql/SqlClient"
import { Figures } from "../../../src/apps/insights/Figures.ts"
import type { Repository } from "../../../src/apps/insights/Git.ts"
import type { History } from "../../../src/apps/insights/GitHistory.ts"
import { migrations } from "../../../src/apps/insights/migrations.ts"
import * as TestDatabase from "../../contract/TestDatabase.ts"

const repository = (root: string): Repository => ({
  root,
  gitDir: `${root}/.git`,
  name: "score",
  head: "0".repeat(40),
  branch: "main"
})

type Described = Omit<History, "firstDay" | "lastDay" | "hours">

const history: Described = {
  head: "0".repeat(40),
  commits: 6,
  additions: 60,
  deletions: 6,
  authors: [
    { name: "Ada", email: "ada@example.org", commits: 4 },
    { name: "Ada", email: "ada@example.com", commits: 1 },
    { name: "Bo'; DROP TABLE insights.author; --", email: "bo@example.org", commits: 1 }
  ],
  days: [
    { day: "2026-01-05", author: 0, commits: 3, additions: 30, deletions: 1 },
    { day: "2026-01-07", author: 1, commits: 1, additions: 10, deletions: 2 },
    { day: "2026-01-20", author: 0, commits: 1, additions: 10, deletions: 3 },
    { day: "2026-01-20", author: 2, commits: 1, additions: 10, deletions: 0 }
  ]
}

/** Writes a repository as the sync does: its days in parts, then the whole. */
const write = Effect.fnUntraced(function*(repository: Repository, history: Described) {
  const figures = yield* Figures
  const staging = yield* figures.newStaging
  const days = history.days.map(({ author, ...day }) => ({
    ...day,
    name: history.authors[author]?.name ?? "",
    email: history.authors[author]?.email ?? ""
  }))
  for (const part of [days.slice(0, 2), days.slice(2)]) yield* figures.stage(staging, part)
  const sorted = history.days.map(({ day }) => day).sort()
  yield* figures.write({
    repository,
    place: repository.root,
    owner: { kind: "git", baseUrl: "", login: "/" },
    history: {
      ...history,
      firstDay: sorted[0] ?? null,
      lastDay: sorted.at(-1) ?? null,
      hours: [{ weekday: 1, hour: 12, commits: history.commits }]
    },
    tree: { files: 2, bytes: 30, languages: [{ language: "Go", files: 1, bytes: 20 }] },
    releases: [{ name: "v1", commit: "1".repeat(40), at: 1_767_600_000 }]
  }, staging)
})

const rows = Effect.flatMap(SqlClient.SqlClient, (sql) =>
  Effect.all({
    repositories:
      sql`SELECT id, path, name, head, commits, contributors, additions, deletions FROM insights.repository ORDER BY path`,
    authors: sql`SELECT * FROM insights.author ORDER BY id`,
    // xmin tells a row that was written again from one that was left alone
    days: sql`SELECT xmin::text, * FROM insights.commit_day ORDER BY repository_id, day, author_id`,
    hours: sql`SELECT xmin::text, * FROM insights.commit_hour ORDER BY repository_id, weekday, hour`,
    languages: sql`SELECT xmin::text, * FROM insights.language_bytes ORDER BY repository_id, language`,
    releases: sql`SELECT xmin::text, * FROM insights.release ORDER BY repository_id, name`,
    points: sql`SELECT xmin::text, * FROM insights.metric_point ORDER BY entity_id, metric, at`,
    staged: sql`SELECT * FROM insights.commit_day_staged`
  }))

const only = (root: string) =>
  Effect.flatMap(
    Figures,
    (figures) =>
      Effect.map(figures.list, (list) => list.find((repository) => repository.path === root) ?? assert.fail(root))
  )

layer(Layer.provideMerge(Figures.layer, TestDatabase.layer(migrations)), { excludeTestServices: true })(
  "Figures",
  (it) => {
    it.effect("changes no row when the same history is written again", () =>
      Effect.gen(function*() {
        yield* write(repository("/twice"), history)
        const first = yield* rows
        yield* write(repository("/twice"), history)
        assert.deepStrictEqual(yield* rows, first)
      }))

    it.effect("replaces what a rewritten history no longer has", () =>
      Effect.gen(function*() {
        const figures = yield* Figures
        yield* write(repository("/rewritten"), history)
        yield* write(repository("/rewritten"), { ...history, commits: 3, days: history.days.slice(0, 1) })
        const { commits, firstDay, id, lastDay } = yield* only("/rewritten")
        assert.deepStrictEqual([commits, firstDay, lastDay], [3, "2026-01-05", "2026-01-05"])
        assert.deepStrictEqual(yield* figures.series(id, "additions", "day"), [{ at: "2026-01-05", value: 30 }])
      }))

    it.effect("gives a series without gaps, by day, by week from Monday and by month, with the same sum", () =>
      Effect.gen(function*() {
        const figures = yield* Figures
        yield* write(repository("/series"), history)
        const { id } = yield* only("/series")
        assert.deepStrictEqual(yield* figures.series(id, "commits", "week"), [
          { at: "2026-01-05", value: 4 },
          { at: "2026-01-12", value: 0 },
          { at: "2026-01-19", value: 2 }
        ])
        assert.deepStrictEqual(yield* figures.series(id, "deletions", "month"), [{ at: "2026-01-01", value: 6 }])
        const days = yield* figures.series(id, "additions", "day")
        assert.strictEqual(days.length, 16)
        assert.strictEqual(days.reduce((sum, day) => sum + day.value, 0), history.additions)
      }))

    it.effect("ranks contributors by commits and keeps two addresses of one name apart", () =>
      Effect.gen(function*() {
        const figures = yield* Figures
        yield* write(repository("/ranked"), history)
        const { contributors, id } = yield* only("/ranked")
        assert.strictEqual(contributors, 3)
        const ranked = yield* figures.contributors(id, 10)
        assert.deepStrictEqual(ranked.map(({ commits, name }) => [name.slice(0, 3), commits]), [
          ["Ada", 4],
          ["Ada", 1],
          ["Bo'", 1]
        ])
        assert.strictEqual((yield* figures.contributors(id, 2)).length, 2)
      }))

    it.effect("stores no e-mail address in clear", () =>
      Effect.gen(function*() {
        const sql = yield* SqlClient.SqlClient
        yield* write(repository("/private"), history)
        const dump = yield* sql<{ row: string }>`
        SELECT r::text AS row FROM insights.repository r UNION ALL SELECT a::text FROM insights.author a
        UNION ALL SELECT d::text FROM insights.commit_day d UNION ALL SELECT i::text FROM insights.installation i`
        assert.isAbove(dump.length, 5)
        const email = Buffer.from("ada@example.org").toString("hex")
        assert.isFalse(dump.some(({ row }) => row.includes("@example") || row.includes(email)))
      }))

    it.effect("lets many writers at one repository end with whole figures", () =>
      Effect.gen(function*() {
        const figures = yield* Figures
        yield* Effect.forEach(
          Array.from(
            { length: 8 },
            (_, i) => ({
              ...history,
              authors: i % 2 === 0 ? history.authors : history.authors.toReversed(),
              days: i % 2 === 0 ? history.days : history.days.map((day) => ({ ...day, author: 2 - day.author }))
            })
          ),
          (history) => write(repository("/busy"), history),
          { concurrency: "unbounded", discard: true }
        )
        const { id } = yield* only("/busy")
        const week = yield* figures.series(id, "commits", "month")
        assert.deepStrictEqual(week, [{ at: "2026-01-01", value: 6 }])
      }))

    it.effect("finds a repository by its id in upper case, and none by what is no UUID", () =>
      Effect.gen(function*() {
        const figures = yield* Figures
        yield* write(repository("/found"), history)
        const found = yield* only("/found")
        const upper = found.id.toUpperCase()
        assert.notStrictEqual(upper, found.id)
        assert.deepStrictEqual(yield* figures.get(upper), found)
        assert.strictEqual((yield* figures.series(upper, "commits", "month")).length, 1)
        assert.strictEqual((yield* figures.contributors(upper, 1)).length, 1)
        for (const id of ["none", "", "\u0000", `${found.id}0`, `{${found.id}}`]) {
          assert.isNull(yield* figures.get(id))
          assert.deepStrictEqual(yield* figures.series(id, "commits", "day"), [])
          assert.deepStrictEqual(yield* figures.contributors(id, 1), [])
        }
      }))

    it.effect("reads days whatever DateStyle the server has", () =>
      Effect.gen(function*() {
        const sql = yield* SqlClient.SqlClient
        const figures = yield* Figures
        yield* write(repository("/style"), history)
        const before = yield* only("/style")
        yield* sql.withTransaction(Effect.gen(function*() {
          yield* sql`SET LOCAL datestyle = 'German'`
          assert.deepStrictEqual(yield* only("/style"), before)
          assert.strictEqual((yield* figures.series(before.id, "commits", "day"))[0]?.at, "2026-01-05")
        }))
      }))

    it.effect("refuses a series of more than 20,000 values and says which bucket to ask for", () =>
      Effect.gen(function*() {
        const figures = yield* Figures
        const [day] = history.days
        assert.isDefined(day)
        const series = Effect.fnUntraced(function*(first: string, bucket: "day" | "week") {
          yield* write(repository("/long"), {
            ...history,
            days: [{ ...day, day: first }, { ...day, day: "2026-01-05" }]
          })
          return yield* figures.series((yield* only("/long")).id, "commits", bucket)
        })
        assert.strictEqual((yield* series("1971-04-05", "day")).length, 20_000)
        const error = yield* Effect.flip(series("1971-04-04", "day"))
        assert.strictEqual(error._tag, "SeriesTooLong")
        assert.include(error._tag === "SeriesTooLong" ? error.detail : "", "ask for it by week")
        assert.isBelow((yield* series("1970-01-01", "week")).length, 3_000)
      }))

    it.effect("tells stored figures of an unknown form apart from a database that does not answer", () =>
      Effect.gen(function*() {
        const sql = yield* SqlClient.SqlClient
        const figures = yield* Figures
        yield* write(repository("/damaged"), history)
        const rollback = yield* Effect.flip(sql.withTransaction(Effect.gen(function*() {
          yield* sql`UPDATE insights.repository SET last_day = '10000-01-01' WHERE path = '/damaged'`
          return yield* figures.list
        })))
        assert.strictEqual(rollback._tag, "FiguresInvalid")
        assert.include(rollback.message, "lastDay")
      }))

    it.effect("replaces characters that are not text, and adds up what then looks alike", () =>
      Effect.gen(function*() {
        const figures = yield* Figures
        const odd = {
          ...history,
          authors: history.authors.map((author, i) => ({ ...author, name: `O\u0000${i % 2}`, email: "o@x" }))
        }
        yield* write(repository("/odd"), odd)
        const { id } = yield* only("/odd")
        assert.strictEqual((yield* figures.contributors(id, 10)).reduce((sum, one) => sum + one.commits, 0), 6)
      }))
  }
)
