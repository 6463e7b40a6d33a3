import { assert, describe, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import * as fs from "node:fs"
import * as path from "node:path"
import { RunLog } from "ostinato/core/RunLog"
import { RunId } from "ostinato/core/TaskRun"
import {
  AccountFigures,
  PlatformFigures,
  Point,
  Ranked,
  RepositoryFigures,
  RunItem,
  Summary
} from "../../../src/apps/insights/InsightsApi.ts"
import { MirrorDirectory } from "../../../src/apps/insights/SyncRepositories.ts"
import * as GitFixture from "../../fixtures/git/GitFixture.ts"
import * as GitHttp from "../../fixtures/git/GitHttp.ts"
import * as InsightsRunning from "./InsightsRunning.ts"
import { ask, clones, decoded, listed, sync } from "./InsightsRunning.ts"

/** Every row with the transaction that wrote it: a row that was written again shows. */
const rows = Effect.flatMap(SqlClient.SqlClient, (sql) =>
  Effect.all({
    platforms: sql`SELECT xmin::text, * FROM insights.platform ORDER BY id`,
    accounts: sql`SELECT xmin::text, * FROM insights.account ORDER BY id`,
    authors: sql`SELECT xmin::text, * FROM insights.author ORDER BY id`,
    days: sql`SELECT xmin::text, * FROM insights.commit_day ORDER BY repository_id, day, author_id`,
    hours: sql`SELECT xmin::text, * FROM insights.commit_hour ORDER BY repository_id, weekday, hour`,
    languages: sql`SELECT xmin::text, * FROM insights.language_bytes ORDER BY repository_id, language`,
    releases: sql`SELECT xmin::text, * FROM insights.release ORDER BY repository_id, name`,
    points: sql`SELECT xmin::text, * FROM insights.metric_point ORDER BY entity_id, metric, at`,
    // when it was collected is the one thing that a second sync tells anew
    repositories: sql`SELECT to_jsonb(r) - 'synced_at' AS row FROM insights.repository r ORDER BY id`,
    staged: sql`SELECT * FROM insights.commit_day_staged`
  }))

const sums = (all: ReadonlyArray<{ readonly metrics: Readonly<Record<string, number>> }>) => {
  const total: Record<string, number> = {}
  for (const { metrics } of all) {
    for (const [name, value] of Object.entries(metrics)) total[name] = (total[name] ?? 0) + value
  }
  return total
}

/** The published example of the traffic endpoint: clones of 14 days, 173 in all. */
const traffic = [2, 17, 21, 8, 5, 2, 8, 26, 19, 19, 19, 15, 5, 7]

layer(InsightsRunning.layer, { excludeTestServices: true })("SyncInsights", (it) => {
  describe("a run", () => {
    it.effect("S0.20 goes through discover, repositories, accounts, platforms and rollup in this order", () =>
      Effect.gen(function*() {
        const root = yield* clones(["one", "two"])
        const { result, run, stages } = yield* sync(root)
        assert.strictEqual(run.status, "completed")
        assert.deepStrictEqual(run.items, { succeeded: 2, failed: 0, summary: "2 of 2 repositories" })
        assert.deepStrictEqual(
          stages,
          ["discover", "repositories", "accounts", "platforms", "rollup"].map((
            stage
          ) => [`insights.sync/${stage}`, "completed", null])
        )
        assert.ok(Result.isSuccess(result))
        assert.deepStrictEqual(
          result.success.repositories.map(({ commits, repository }) => [repository, commits]),
          [[path.join(root, "one"), 1], [path.join(root, "two"), 2]]
        )
      }))

    it.effect("S0.53 run again changes nothing, row for row", () =>
      Effect.gen(function*() {
        const root = yield* clones(["left", "right"])
        yield* sync(root)
        const first = yield* rows
        assert.isAbove(first.days.length, 2)
        assert.isAbove(first.points.length, 10)
        yield* sync(root)
        assert.deepStrictEqual(yield* rows, first)
        assert.deepStrictEqual(first.staged, [])
      }))

    it.effect("S0.29 with all repositories failing skips what depends on them and leaves all figures as they were", () =>
      Effect.gen(function*() {
        const root = yield* clones(["doomed"])
        yield* sync(root)
        const before = yield* rows
        fs.rmSync(path.join(root, "doomed", ".git", "HEAD"))
        const { result, run, stages } = yield* sync(path.join(root, "doomed"))
        assert.strictEqual(run.status, "failed")
        assert.deepStrictEqual(stages, [
          ["insights.sync/discover", "completed", null],
          ["insights.sync/repositories", "failed", null],
          ["insights.sync/accounts", "skipped", "dependency"],
          ["insights.sync/platforms", "skipped", "dependency"],
          ["insights.sync/rollup", "skipped", "dependency"]
        ])
        assert.deepStrictEqual(yield* rows, before)
        assert.ok(Result.isFailure(result))
        assert.include(result.failure.message, "is not inside a git repository")
      }))

    it.effect("S1.O2 S1.25 keeps an error for each repository that failed, ends as partial, and sums up the others", () =>
      Effect.gen(function*() {
        const root = yield* clones(["bad", "empty", "good", "shallow"])
        const at = (name: string) => path.join(root, name)
        yield* sync(root)
        const before = yield* listed("/repositories", RepositoryFigures)
        fs.rmSync(path.join(at("bad"), ".git", "objects"), { recursive: true })
        GitFixture.at(at("empty")).git("checkout", "--quiet", "--orphan", "nothing")
        GitFixture.gitBytes(root, ["clone", "--quiet", "--depth", "1", `file://${at("good")}`, at("swallow")])
        fs.rmSync(at("shallow"), { recursive: true })
        fs.renameSync(at("swallow"), at("shallow"))
        GitFixture.gitBytes(root, ["clone", "--quiet", "--bare", at("good"), at("bare.git")])
        GitFixture.at(at("good")).commit("one more")

        const { id, run } = yield* sync(root, path.join(root, "missing"), "https://me:hunter2@example.org/x.git")
        assert.strictEqual(run.status, "partial")
        assert.deepInclude(run.items, { succeeded: 2, failed: 5 })
        const items = yield* listed(`/runs/${id}`, RunItem)
        const said = Object.fromEntries(items.map(({ error, place }) => [path.basename(place), error ?? "well"]))
        assert.deepStrictEqual(Object.keys(said).sort(), [
          "(not shown)",
          "bad",
          "bare.git",
          "empty",
          "good",
          "missing",
          "shallow"
        ])
        assert.deepStrictEqual([said["good"], said["bare.git"]], ["well", "well"])
        assert.include(said["bad"], "is not inside a git repository")
        assert.include(said["empty"], "has no commits yet")
        assert.include(said["shallow"], "git fetch --unshallow")
        assert.include(said["missing"], "does not exist")
        assert.include(said["(not shown)"], "take it out")
        assert.notInclude((yield* ask(`/runs/${id}`)).body, "hunter2")

        const after = yield* listed("/repositories", RepositoryFigures)
        const of = (all: ReadonlyArray<RepositoryFigures>, name: string) => all.find(({ path }) => path === at(name))
        for (const name of ["bad", "empty", "shallow"]) assert.deepStrictEqual(of(after, name), of(before, name))
        assert.strictEqual(of(after, "good")?.commits, 4)
        const accounts = yield* listed("/accounts", AccountFigures)
        assert.strictEqual(accounts.find(({ login }) => login === root)?.metrics["commits"], 1 + 2 + 4 + 3 + 4)
      }))

    it.effect("collects a repository that is written to meanwhile up to the commit that it saw", () =>
      Effect.gen(function*() {
        const root = yield* clones(["busy"])
        const fixture = GitFixture.at(path.join(root, "busy"))
        const writer = Effect.sync(() => fixture.commit("meanwhile")).pipe(Effect.repeat({ times: 20 }))
        const [{ result }] = yield* Effect.all([sync(root), writer], { concurrency: 2 })
        assert.ok(Result.isSuccess(result))
        const [synced] = result.success.repositories
        assert.strictEqual(synced?.commits, Number(fixture.git("rev-list", "--count", synced?.head ?? "")))
      }))
  })

  describe("sums", () => {
    it.effect("S0.53 /accounts and /platforms equal the sums over /repositories, clones of the example 173, twice", () =>
      Effect.gen(function*() {
        const sql = yield* SqlClient.SqlClient
        const root = yield* clones(["alpha", "beta", "gamma"])
        yield* sync(root)
        const [alpha] = yield* listed("/repositories", RepositoryFigures).pipe(
          Effect.map((all) => all.filter((one) => one.path === path.join(root, "alpha")))
        )
        const days = traffic.map((_, index) => `2016-10-${10 + index}`)
        for (let time = 0; time < 2; time++) {
          yield* sql`
            INSERT INTO insights.metric_point (entity_kind, entity_id, metric, at, value, source)
            SELECT 'repository', ${alpha?.id ?? ""}::uuid, m.name, d.at::date, d.value, 'traffic'
            FROM unnest(${days}::text[], ${traffic}::bigint[]) AS d(at, value), unnest(ARRAY['clones', 'clone_uniques']) AS m(name)
            ON CONFLICT (entity_kind, entity_id, metric, at) DO UPDATE SET value = excluded.value`
          yield* sync(root)
          const repositories = yield* listed("/repositories", RepositoryFigures)
          const accounts = yield* listed("/accounts", AccountFigures)
          const platforms = yield* listed("/platforms", PlatformFigures)
          const own = accounts.find(({ login }) => login === root)
          assert.strictEqual(own?.metrics["clones"], 173)
          // people are never summed over days
          assert.notProperty(own?.metrics, "clone_uniques")
          // one person in three repositories is one contributor
          assert.strictEqual(own?.metrics["contributors"], 4)
          for (const account of accounts) {
            const { contributors: _, ...expected } = sums(repositories.filter((one) => one.accountId === account.id))
            const { contributors: __, repositories: count, ...found } = account.metrics
            assert.deepStrictEqual(found, expected)
            assert.strictEqual(count, repositories.filter((one) => one.accountId === account.id).length)
          }
          for (const platform of platforms) {
            const { contributors: _, ...expected } = sums(accounts.filter((one) => one.platformId === platform.id))
            const { contributors: __, ...found } = platform.metrics
            assert.deepStrictEqual(found, expected)
          }
          assert.strictEqual(sums(platforms)["clones"], 173)
        }
      }))

    it.effect("S1.O6 a removed repository is in no list and no sum, and is not collected again", () =>
      Effect.gen(function*() {
        const root = yield* clones(["kept", "removed"])
        yield* sync(root)
        const all = yield* listed("/repositories", RepositoryFigures)
        const removed = all.find((one) => one.path === path.join(root, "removed"))
        assert.strictEqual((yield* ask(`/repositories/${removed?.id}`, "DELETE")).status, 204)
        assert.strictEqual((yield* ask(`/repositories/${removed?.id}`, "DELETE")).status, 404)
        assert.strictEqual((yield* ask(`/repositories/${removed?.id}`)).status, 404)
        const account = Effect.map(
          listed("/accounts", AccountFigures),
          (accounts) => accounts.find(({ login }) => login === root)?.metrics
        )
        assert.deepInclude(yield* account, { commits: 1, repositories: 1 })
        const { run } = yield* sync(root)
        assert.deepStrictEqual(run.items, { succeeded: 1, failed: 0, summary: "1 of 1 repositories" })
        assert.deepInclude(yield* account, { commits: 1, repositories: 1 })
        const kept = (yield* listed("/repositories", RepositoryFigures)).find((one) =>
          one.path === path.join(root, "kept")
        )
        yield* ask(`/repositories/${kept?.id}`, "DELETE")
        assert.isUndefined(yield* account)
      }))
  })

  describe("a URL", () => {
    it.effect("is mirrored, fetched again, and belongs to its owner on its host; a failed fetch leaves its figures", () =>
      Effect.gen(function*() {
        const mirrors = yield* MirrorDirectory
        const root = yield* GitFixture.directory
        fs.mkdirSync(path.join(root, "team"))
        const work = yield* GitFixture.smallRepository("source")
        work.git("tag", "v1")
        work.git("branch", "other")
        const served = path.join(root, "team", "song.git")
        work.git("clone", "--quiet", "--bare", work.root, served)
        let down = false
        const server = yield* GitHttp.serve(root, (_, response) => {
          if (down) response.writeHead(500).end()
          return down
        })
        const url = `${server.url}/team/song`
        const first = yield* sync(`${url}.git`)
        assert.strictEqual(first.run.status, "completed", first.run.failure?.message)
        work.commit("second")
        work.git("push", "--quiet", served, "main")
        const second = yield* sync(url)
        assert.ok(Result.isSuccess(second.result))
        assert.deepInclude(second.result.success.repositories[0], { repository: url, commits: 2 })

        const found = (yield* listed("/repositories", RepositoryFigures)).find((one) => one.path === url)
        assert.deepInclude(found, { name: "song", branch: "main", releases: 1 })
        const account = (yield* listed("/accounts", AccountFigures)).find(({ id }) => id === found?.accountId)
        assert.deepInclude(account, { login: "team" })
        const platform = (yield* listed("/platforms", PlatformFigures)).find(({ id }) => id === account?.platformId)
        assert.deepInclude(platform, { baseUrl: server.url, kind: "git" })

        const [mirror, ...others] = fs.readdirSync(mirrors)
        assert.deepStrictEqual(others, [])
        const refs = GitFixture.at(path.join(mirrors, mirror ?? "")).git("for-each-ref", "--format=%(refname)")
        assert.deepStrictEqual(refs.trim().split("\n"), ["refs/heads/main", "refs/tags/v1"])
        assert.deepStrictEqual(fs.readdirSync(path.join(mirrors, mirror ?? "")).includes("hooks"), false)

        down = true
        const before = yield* rows
        const third = yield* sync(url)
        assert.strictEqual(third.run.status, "failed")
        assert.include(third.run.failure?.message, "could not be fetched")
        assert.deepStrictEqual(yield* rows, before)
      }))
  })

  describe("the routes", () => {
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
})
