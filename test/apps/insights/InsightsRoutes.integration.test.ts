import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import * as path from "node:path"
import { RunLog } from "ostinato/core/RunLog"
import { RunId } from "ostinato/core/TaskRun"
import {
  AccountFigures,
  Point,
  Ranked,
  RepositoryFigures,
  RunItem,
  Summary
} from "../../../src/apps/insights/InsightsApi.ts"
import * as GitFixture from "../../fixtures/git/GitFixture.ts"
import * as InsightsRunning from "./InsightsRunning.ts"
import { ask, clones, decoded, listed, sync } from "./InsightsRunning.ts"

layer(InsightsRunning.layer, { excludeTestServices: true })("the routes of Insights", (it) => {
  const seeded = Effect.gen(function*() {
    const root = yield* clones(["=cmd", "song"])
    const { id: runId } = yield* sync(root)
    const all = yield* listed("/repositories", RepositoryFigures)
    const song = all.find((one) => one.path === path.join(root, "song")) ?? assert.fail("no song")
    const account = (yield* listed("/accounts", AccountFigures)).find(({ id }) => id === song.accountId)
    return { root, runId, song, account: account ?? assert.fail("no account") }
  })

  it.effect("S1.O6 every documented one answers as documented on seeded data, and with 404 for what is not there", () =>
    Effect.gen(function*() {
      const { account, runId, song } = yield* seeded
      const { paths } = yield* decoded(
        "/openapi.json",
        Schema.Struct({ paths: Schema.Record(Schema.String, Schema.Json) })
      )
      const ids: Record<string, string> = { repositories: song.id, accounts: account.id, runs: runId }
      ids["platforms"] = account.platformId ?? ""
      const required: Record<string, string> = {
        "/repositories/{id}/series": "?metric=commits",
        "/metrics-series": `?entity=repository&id=${song.id}&metric=commits`
      }
      const reads = Object.keys(paths).map((path) => path.replace("/api/v1/insights", "")).filter((path) =>
        !path.endsWith("/sync")
      )
      assert.isAbove(reads.length, 14)
      const none = "0190a6f0-0000-7000-8000-000000000000"
      for (const path of reads) {
        const of = (id: string) => path.replace("{id}", id) + (required[path] ?? "")
        const answer = yield* ask(of(ids[path.split("/")[1] ?? ""] ?? ""))
        assert.strictEqual(answer.status, 200, `${path}: ${answer.body}`)
        if (!path.includes("{id}")) continue
        for (const id of [none, "none", "%00"]) {
          const missing = yield* ask(of(id))
          assert.strictEqual(missing.status, 404, `${path} ${id}: ${missing.body}`)
          assert.match(missing.type, /^application\/problem\+json/)
        }
      }
    }))

  it.effect("S1.O6 what is invalid is refused with 400 and its name, as problem+json", () =>
    Effect.gen(function*() {
      const id = "0190a6f0-0000-7000-8000-000000000000"
      const series = `/metrics-series?entity=account&id=${id}&metric=commits`
      const wrong: ReadonlyArray<readonly [asked: string, says: string]> = [
        ["/repositories?limit=0", "limit"],
        ["/repositories?limit=201", "limit"],
        ["/repositories?after=yesterday", "after"],
        ["/accounts?limit=many", "limit"],
        ["/platforms?after=%00", "after"],
        ["/metrics-series", "entity"],
        ["/metrics-series?entity=planet&id=x&metric=stars", "entity"],
        ["/metrics-series?entity=account&id=x&metric=stars", "id"],
        [`/metrics-series?entity=account&id=${id}&metric=joy`, "metric"],
        [`${series}&from=2026-13-01`, "from"],
        [`${series}&from=2026-02-31`, "no day of the calendar"],
        [`${series}&from=0000-01-01`, "no day of the calendar"],
        [`${series}&to=tomorrow`, "to"],
        [`${series}&bucket=hour`, "bucket"],
        [`${series}&fill=guess`, "fill"],
        ["/leaderboard?of=planet", "of"],
        ["/leaderboard?metric=joy", "metric"],
        ["/export.csv?of=planet", "of"]
      ]
      for (const [asked, says] of wrong) {
        const { body, status, type } = yield* ask(asked)
        assert.strictEqual(status, 400, `${asked}: ${body}`)
        assert.match(type, /^application\/problem\+json/, asked)
        assert.include(body, says, asked)
      }
    }))

  it.effect("lists come in pages, each item once", () =>
    Effect.gen(function*() {
      yield* seeded
      const Page = Schema.Struct({ items: Schema.Array(RepositoryFigures), next: Schema.NullOr(Schema.String) })
      const seen: Array<string> = []
      let next: string | null = ""
      while (next !== null) {
        const page: typeof Page.Type = yield* decoded(
          `/repositories?limit=2${next === "" ? "" : `&after=${next}`}`,
          Page
        )
        seen.push(...page.items.map(({ id }) => id))
        next = page.next
      }
      assert.deepStrictEqual(seen, (yield* listed("/repositories", RepositoryFigures)).map(({ id }) => id))
      assert.isAbove(seen.length, 2)
    }))

  it.effect("a series of a metric fills what is not there as it is asked to", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const { song } = yield* seeded
      for (const metric of ["stars", "views"]) {
        yield* sql`
            INSERT INTO insights.metric_point (entity_kind, entity_id, metric, at, value, source)
            SELECT 'repository', ${song.id}::uuid, ${metric}, v.at::date, v.value, 'forge'
            FROM (VALUES ('2026-01-05', 3), ('2026-01-06', 5), ('2026-01-19', 7)) AS v(at, value)`
      }
      const series = (metric: string, rest: string) =>
        Effect.map(
          listed(`/metrics-series?entity=repository&id=${song.id}&metric=${metric}&bucket=week${rest}`, Point),
          (points) => points.map(({ at, value }) => [at, value])
        )
      assert.deepStrictEqual(yield* series("stars", ""), [["2026-01-05", 5], ["2026-01-19", 7]])
      assert.deepStrictEqual(yield* series("stars", "&fill=last"), [
        ["2026-01-05", 5],
        ["2026-01-12", 5],
        ["2026-01-19", 7]
      ])
      assert.deepStrictEqual(yield* series("views", "&fill=zero"), [
        ["2026-01-05", 8],
        ["2026-01-12", 0],
        ["2026-01-19", 7]
      ])
      assert.deepStrictEqual(yield* series("views", "&from=2026-01-06&to=2026-01-06"), [["2026-01-05", 5]])
    }))

  it.effect("a summary tells age, hours, languages, releases and what has changed", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const { song } = yield* seeded
      yield* sql`
          INSERT INTO insights.metric_point (entity_kind, entity_id, metric, at, value, source)
          SELECT 'repository', ${song.id}::uuid, 'commits', (now() AT TIME ZONE 'UTC')::date - days, value, 'git'
          FROM (VALUES (8, 1), (40, 0)) AS v(days, value)`
      const summary = yield* decoded(`/repositories/${song.id}/summary`, Summary)
      assert.strictEqual(summary.repository.commits, 2)
      assert.deepStrictEqual(summary.changes.find(({ metric }) => metric === "commits"), {
        metric: "commits",
        value: 2,
        days7: 1,
        days30: 2
      })
      assert.deepStrictEqual(summary.hours, [{ weekday: 1, hour: 12, commits: 2 }])
      assert.deepStrictEqual(summary.languages, [{ language: "Go", files: 2, bytes: 15 }])
      assert.deepStrictEqual(summary.releases.map(({ name }) => name), ["v1"])
      assert.isAbove(summary.ageDays ?? 0, 700)
      assert.strictEqual(summary.weeks.reduce((sum, { value }) => sum + value, 0), 2)
    }))

  it.effect("commits of 1970 and of the year 10000 hide no repository; days are too many for one answer, weeks are not", () =>
    Effect.gen(function*() {
      const { commit, root } = yield* GitFixture.repository("odd")
      commit("first", { date: "@0 -0800" })
      commit("last", { date: "@253402300800 +0000" })
      assert.strictEqual((yield* sync(root)).run.status, "completed")
      const odd = (yield* listed("/repositories", RepositoryFigures)).find((one) => one.path === root)
      assert.deepInclude(odd, { commits: 2, firstDay: "1970-01-01" })
      const series = `/repositories/${odd?.id}/series?metric=commits`
      const refused = yield* ask(`${series}&bucket=day`)
      assert.strictEqual(refused.status, 422)
      assert.match(refused.type, /^application\/problem\+json/)
      assert.include(refused.body, "ask for it by week")
      const weeks = yield* listed(`${series}&bucket=week`, Point)
      assert.strictEqual(weeks.reduce((sum, { value }) => sum + value, 0), 2)
    }))

  it.effect("a ranking begins with the highest value; CSV holds no formula", () =>
    Effect.gen(function*() {
      const { account, song } = yield* seeded
      const ranked = yield* listed("/leaderboard?metric=commits&limit=200", Ranked)
      assert.deepStrictEqual(
        ranked.map(({ value }) => value),
        ranked.map(({ value }) => value).toSorted((a, b) => b - a)
      )
      assert.deepInclude(ranked, { id: song.id, name: "song", value: 2 })
      const accounts = yield* listed("/leaderboard?of=account&metric=commits", Ranked)
      assert.deepInclude(accounts, { id: account.id, name: account.login, value: 3 })
      const csv = yield* ask("/export.csv")
      assert.match(csv.type, /^text\/csv/)
      assert.match(csv.body, /^id,accountId,name,path,/)
      assert.include(csv.body, `,'=cmd,`)
      assert.include(csv.body, `${song.id},${account.id},song,${song.path},main,${song.head},2,`)
      assert.include(
        (yield* ask("/export.csv?of=account")).body,
        `${account.id},${account.platformId},${account.login},`
      )
    }))

  it.effect("S1.O4 one repository is collected on demand: 202 at once, a run of its own, and no other repository", () =>
    Effect.gen(function*() {
      const log = yield* RunLog
      const { root, song } = yield* seeded
      GitFixture.at(song.path).commit("new")
      GitFixture.at(path.join(root, "=cmd")).commit("new too")
      const { body, status } = yield* ask(`/repositories/${song.id}/sync`, "POST")
      assert.strictEqual(status, 202)
      const { runId } = yield* Schema.decodeEffect(Schema.fromJsonString(Schema.Struct({ runId: RunId })))(body)
      const run = yield* log.get(runId).pipe(
        Effect.repeat({
          until: (run) => run !== null && run.finishedAt !== null,
          schedule: Schedule.spaced("20 millis")
        })
      )
      assert.deepInclude(run, { task: "insights.sync", status: "completed", payload: { repository: song.path } })
      assert.deepInclude(run?.trigger, { kind: "http", method: "POST" })
      const all = yield* listed("/repositories", RepositoryFigures)
      assert.deepStrictEqual(
        all.filter(({ path }) => path.startsWith(root)).map(({ commits, name }) => [name, commits]),
        [["=cmd", 1], ["song", 3]]
      )
      assert.deepStrictEqual((yield* listed(`/runs/${runId}`, RunItem)).map(({ place }) => place), [song.path])
    }))
})
