import { assert, describe, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as SqlClient from "effect/sql/SqlClient"
import * as fs from "node:fs"
import * as path from "node:path"
import { Dispatch } from "ostinato"
import { AccountFigures, PlatformFigures, RepositoryFigures, RunItem } from "../../../src/apps/insights/InsightsApi.ts"
import { SyncInsights } from "../../../src/apps/insights/SyncInsights.ts"
import { MirrorDirectory } from "../../../src/apps/insights/SyncRepositories.ts"
import * as GitFixture from "../../fixtures/git/GitFixture.ts"
import * as GitHttp from "../../fixtures/git/GitHttp.ts"
import * as InsightsRunning from "./InsightsRunning.ts"
import { ask, clones, listed, sync } from "./InsightsRunning.ts"

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

    it.effect("that asks for what has changed takes the day's gauges of the rest without reading it again", () =>
      Effect.gen(function*() {
        const sql = yield* SqlClient.SqlClient
        const root = yield* clones(["still", "moving"])
        const [still, moving] = [path.join(root, "still"), path.join(root, "moving")]
        yield* sync(root)
        // a figure that only a reading of the history would mend, and a day that has passed
        yield* sql`UPDATE insights.repository SET commits = 1000 WHERE path IN (${still}, ${moving})`
        yield* sql`UPDATE insights.metric_point SET at = at - 1`
        GitFixture.at(moving).commit("one more")
        const ref = yield* Dispatch.here(SyncInsights, { repository: root, changedOnly: true }, { kind: "code" })
        assert.deepStrictEqual(
          (yield* ref.await).repositories.map(({ commits, repository }) => [repository, commits]),
          [[moving, 3], [still, 1000]]
        )
        const points = yield* sql`
          SELECT r.path, p.value::int FROM insights.metric_point p JOIN insights.repository r ON r.id = p.entity_id
          WHERE p.metric = 'commits' AND p.at = (now() AT TIME ZONE 'UTC')::date AND r.path IN (${still}, ${moving})
          ORDER BY r.path`
        assert.deepStrictEqual(points, [{ path: moving, value: 3 }, { path: still, value: 1000 }])
        GitFixture.at(still).git("tag", "v2")
        const tagged = yield* Dispatch.here(SyncInsights, { repository: still, changedOnly: true }, { kind: "code" })
        assert.strictEqual((yield* tagged.await).repositories[0]?.commits, 1)
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
        const sql = yield* SqlClient.SqlClient
        const kept = yield* sql<{ row: string }>`SELECT r::text AS row FROM ostinato.run r WHERE id = ${id}::uuid`
        assert.include(kept[0]?.row, "(not shown)")
        assert.notInclude(kept[0]?.row, "hunter2")

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

    it.effect("many runs at once, over the same repositories and others, end with the same sums", () =>
      Effect.gen(function*() {
        const root = yield* clones(["bass", "treble"])
        const other = yield* clones(["alto"])
        const runs = yield* Effect.all([sync(root), sync(other), sync(root), sync(path.join(root, "bass"))], {
          concurrency: "unbounded"
        })
        assert.deepStrictEqual(runs.map(({ run }) => run.status), ["completed", "completed", "completed", "completed"])
        const accounts = yield* listed("/accounts", AccountFigures)
        const of = (login: string) => accounts.find((account) => account.login === login)?.metrics
        assert.deepInclude(of(root), { commits: 3, repositories: 2, contributors: 2, releases: 2 })
        assert.deepInclude(of(other), { commits: 1, repositories: 1 })
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

        const lock = path.join(mirrors, mirror ?? "", "packed-refs.lock")
        fs.writeFileSync(lock, "")
        work.git("tag", "-d", "v1")
        GitFixture.at(served).git("tag", "-d", "v1")
        assert.include((yield* sync(url)).run.failure?.message, "packed-refs.lock")
        fs.utimesSync(lock, 1_700_000_000, 1_700_000_000)
        const unlocked = yield* sync(url)
        assert.strictEqual(unlocked.run.status, "completed", unlocked.run.failure?.message)
        assert.isFalse(fs.existsSync(lock))

        down = true
        const before = yield* rows
        const third = yield* sync(url)
        assert.strictEqual(third.run.status, "failed")
        assert.include(third.run.failure?.message, "could not be fetched")
        assert.deepStrictEqual(yield* rows, before)
      }))
  })
})
