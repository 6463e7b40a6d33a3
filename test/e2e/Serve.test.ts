import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, layer } from "@effect/vitest"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { execFileSync } from "node:child_process"
import * as fs from "node:fs"
import { hostname } from "node:os"
import * as path from "node:path"
import { Point, RepositoryFigures } from "../../src/apps/insights/InsightsApi.ts"
import { TaskRun } from "../../src/core/TaskRun.ts"
import { ScheduleSummary } from "../../src/service/AdminApi.ts"
import * as History from "./History.ts"
import * as Prometheus from "./Prometheus.ts"
import * as ServiceProcess from "./ServiceProcess.ts"

const list = <A, I>(item: Schema.Codec<A, I>) => Schema.Struct({ items: Schema.Array(item) })

const items = <A, I>(url: string, item: Schema.Codec<A, I>) =>
  Effect.map(ServiceProcess.getJson(url, list(item)), ({ items }) => items)

const Problem = Schema.Struct({ status: Schema.Int, title: Schema.String, detail: Schema.String })

const decodeProblem = Schema.decodeEffect(Schema.fromJsonString(Problem))

/** A service that has collected its repository once; nothing here changes it. */
class Running extends Context.Service<Running, {
  readonly service: ServiceProcess.Service
  readonly place: ServiceProcess.Place
}>()("ostinato/test/e2e/Serve.test/Running") {
  static readonly layer = Layer.effect(
    Running,
    Effect.gen(function*() {
      // the page as `npm start` builds it
      execFileSync(process.execPath, [path.join(ServiceProcess.root, "scripts/web.ts"), "build"])
      const place = { data: yield* ServiceProcess.dataDirectory, repository: yield* History.repository }
      const service = yield* ServiceProcess.serve(place)
      yield* ServiceProcess.collected(service)
      return { service, place }
    })
  )
}

const policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; " +
  "img-src 'self' data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

const chromium = process.env["CHROMIUM"] ?? "/usr/bin/chromium"
const required = process.env["CI"] === "true"

layer(NodeServices.layer, { excludeTestServices: true })("serve", (it) => {
  it.layer(Running.layer, { timeout: "60 seconds" })("a running service", (it) => {
    it.effect("is live and ready", () =>
      Effect.gen(function*() {
        const { service } = yield* Running
        assert.strictEqual((yield* ServiceProcess.get(`${service.url}/livez`)).status, 200)
        const ready = yield* ServiceProcess.get(`${service.url}/readyz`)
        assert.strictEqual(ready.status, 200)
        for (const check of ["database", "fibers", "scheduler", "worker"]) {
          assert.include(ready.body, `{"name":"${check}","ok":true`)
        }
      }))

    it.effect("answers the figures that git itself gives for the repository, day by day", () =>
      Effect.gen(function*() {
        const { place, service } = yield* Running
        const { days, ...totals } = History.figures(place.repository)
        assert.isAbove(totals.commits, 4)
        const url = `${service.url}/api/v1/insights/repositories`
        const [repository, ...others] = yield* items(url, RepositoryFigures)
        assert.deepInclude(repository, { ...totals, name: "score", path: place.repository, branch: "main" })
        assert.deepStrictEqual(others, [])
        const series = yield* items(`${url}/${repository?.id}/series?metric=commits&bucket=day`, Point)
        const worked = series.filter(({ value }) => value > 0)
        assert.deepStrictEqual(Object.fromEntries(worked.map(({ at, value }) => [at, value])), days)
      }))

    it.effect("shows the same figures as metrics in the Prometheus text format", () =>
      Effect.gen(function*() {
        const { place, service } = yield* Running
        const { additions, commits, contributors, deletions } = History.figures(place.repository)
        const { body, headers } = yield* ServiceProcess.get(`${service.url}/metrics`)
        assert.strictEqual(headers["content-type"], "text/plain; version=0.0.4; charset=utf-8")
        const { problems, samples } = Prometheus.parse(body)
        assert.deepStrictEqual(problems, [])
        const value = (name: string, label: string) => samples.get(`${name}{${label}}`)
        assert.deepStrictEqual(
          ["commits", "contributors", "lines_added", "lines_deleted"].map((name) =>
            value(`ostinato_insights_${name}`, `repository="score",path="${place.repository}"`)
          ),
          [commits, contributors, additions, deletions]
        )
        const run = `task="insights.sync",queue="insights:${place.repository}",executor="jobs",outcome="completed"`
        assert.strictEqual(value("ostinato_task_run_seconds_count", run), 1)
        assert.strictEqual(value("ostinato_task_queue_seconds_count", run), 1)
      }))

    it.effect("S1.5 ran its task at the start in its own process, as a job of its schedule, whose next tick is two weeks on", () =>
      Effect.gen(function*() {
        const { place, service } = yield* Running
        const name = `insights.fortnightly:${place.repository}`
        const [run, ...others] = yield* items(`${service.url}/api/v1/runs`, TaskRun)
        assert.deepStrictEqual(others, [])
        assert.deepInclude(run, { task: "insights.sync", status: "completed", attempts: 1, pid: service.pid })
        assert.strictEqual(run?.host, hostname())
        const trigger = run?.trigger
        assert.ok(trigger !== undefined && "tick" in trigger)
        assert.strictEqual(trigger.schedule, name)
        assert.deepStrictEqual(yield* ServiceProcess.getJson(`${service.url}/api/v1/runs/${run?.id}`, TaskRun), run)

        const [daily, schedule] = yield* items(`${service.url}/api/v1/schedules`, ScheduleSummary)
        assert.deepInclude(daily, {
          name: `insights.daily:${place.repository}`,
          timetable: "every 1 day",
          lastTick: null
        })
        assert.deepInclude(schedule, { name, task: "insights.sync", timetable: "every 2 weeks", open: 0 })
        assert.isTrue(DateTime.Equivalence(schedule?.lastTick ?? DateTime.makeUnsafe(0), trigger.tick))
        // registered before the start run was decided, by the same clock
        const ahead = DateTime.toEpochMillis(schedule?.nextTick ?? trigger.tick) -
          DateTime.toEpochMillis(trigger.tick)
        assert.isTrue(ahead <= 1_209_600_000 && ahead > 1_209_600_000 - 60_000, String(ahead))
      }))

    it.effect("serves the page and its files under a policy that lets them load nothing from elsewhere", () =>
      Effect.gen(function*() {
        const { service } = yield* Running
        const page = yield* ServiceProcess.get(`${service.url}/`)
        const files = Array.from(page.body.matchAll(/(?:src|href)="\.\/(assets\/[^"]+)"/g), ([, file]) => file)
        assert.deepStrictEqual(files.map((file) => path.extname(file ?? "")).sort(), [".css", ".js"])
        const assets = yield* Effect.forEach(files, (file) => ServiceProcess.get(`${service.url}/${file}`))
        for (const { headers, status } of [page, ...assets]) {
          assert.strictEqual(status, 200)
          assert.strictEqual(headers["content-security-policy"], policy)
          assert.strictEqual(headers["x-content-type-options"], "nosniff")
        }
        assert.strictEqual(page.headers["cache-control"], "no-cache")
        assert.isTrue(assets.every(({ headers }) => headers["cache-control"]?.includes("immutable")))
      }))

    it.effect("shows the figures, charts and the run in a browser, which finds nothing to complain of", (context) =>
      Effect.gen(function*() {
        if (!fs.existsSync(chromium)) {
          assert.isFalse(required, `there is no browser at ${chromium}`)
          context.skip(`there is no browser at ${chromium}: set CHROMIUM`)
        }
        const { place, service } = yield* Running
        const { commits, contributors } = History.figures(place.repository)
        const browser = yield* ServiceProcess.start([
          chromium,
          "--headless",
          "--no-sandbox",
          "--disable-gpu",
          "--enable-logging=stderr",
          "--v=0",
          `--user-data-dir=${path.dirname(place.data)}/browser`,
          "--virtual-time-budget=10000",
          "--dump-dom",
          `${service.url}/`
        ])
        assert.strictEqual((yield* browser.ended).code, 0, browser.stderr().join("\n"))
        const dom = browser.stdout()
        assert.include(dom, "<title>score · Insights</title>")
        assert.include(dom, `<dt>Commits</dt><dd>${commits}</dd>`)
        assert.include(dom, `<dt>Contributors</dt><dd>${contributors}</dd>`)
        assert.match(dom, /<svg [^>]*aria-label="Commits per week since 1 Jan 2024: /)
        assert.match(dom, /<rect class="bar commits"/)
        assert.include(dom, `<li class="completed"><span class="outcome">completed</span>`)
        const complaints = browser.stderr().filter((line) => line.includes(":CONSOLE:"))
        // a chart that fits itself to its place measures again in the next frame; browsers report that as this line
        assert.deepStrictEqual(complaints, [])
      }))

    describe("asked wrongly", () => {
      it.effect("says what is missing with 404 and what is invalid with 400 and its name, as problem+json", () =>
        Effect.gen(function*() {
          const { service } = yield* Running
          const id = "0190a6f0-0000-7000-8000-000000000000"
          const cases: ReadonlyArray<readonly [path: string, status: number, says: string]> = [
            [`/api/v1/runs/${id}`, 404, id],
            ["/api/v1/runs/none", 404, "none"],
            ["/api/v1/runs/%00", 404, "no run"],
            ["/api/v1/insights/repositories/none", 404, "none"],
            ["/api/v1/insights/repositories/%00", 404, "no repository"],
            ["/api/v1/insights/repositories/none/contributors", 404, "none"],
            ["/api/v1/insights/repositories/none/series?metric=commits", 404, "none"],
            ["/api/v1/insights/repositories/none/series", 400, `"metric"`],
            ["/api/v1/insights/repositories/none/series?metric=stars", 400, `"metric"`],
            ["/api/v1/insights/repositories/none/series?metric=commits&bucket=hour", 400, `"bucket"`],
            ["/api/v1/runs?limit=0", 400, `"limit"`],
            ["/api/v1/runs?limit=201", 400, `"limit"`],
            ["/api/v1/runs?limit=1.5", 400, `"limit"`],
            ["/api/v1/runs?limit=many", 400, `"limit"`],
            ["/api/v1/runs?before=yesterday", 400, `"before"`]
          ]
          for (const [asked, status, says] of cases) {
            const answer = yield* ServiceProcess.get(service.url + asked)
            assert.strictEqual(answer.status, status, asked)
            assert.match(answer.headers["content-type"] ?? "", /^application\/problem\+json/, asked)
            assert.strictEqual((yield* decodeProblem(answer.body)).status, status)
            assert.include(answer.body, says, asked)
          }
        }))

      it.effect("finds nothing at unknown paths nor outside of the page's folder", () =>
        Effect.gen(function*() {
          const { service } = yield* Running
          const paths = ["/none", "/api/v1/none", "/api/v1/runs/a/b", "/%2e%2e/%2e%2e/package.json", "/%zz"]
          for (const asked of paths) {
            assert.strictEqual((yield* ServiceProcess.get(service.url + asked)).status, 404, asked)
          }
        }))

      it.effect("refuses a request that was meant for another host with 421", () =>
        Effect.gen(function*() {
          const { service } = yield* Running
          const { host, port } = new URL(service.url)
          for (
            const name of [
              "evil.example",
              `evil.example:${port}`,
              "localhost.evil.example",
              "127.0.0.1.evil.example",
              "[::2]"
            ]
          ) {
            const answer = yield* ServiceProcess.get(`${service.url}/api/v1/runs`, { host: name })
            assert.strictEqual(answer.status, 421, name)
            assert.match(answer.headers["content-type"] ?? "", /^application\/problem\+json/)
          }
          for (const name of [host, `localhost:${port}`, "LOCALHOST", "[::1]:80"]) {
            assert.strictEqual(
              (yield* ServiceProcess.get(`${service.url}/api/v1/runs`, { host: name })).status,
              200,
              name
            )
          }
        }))

      it.effect("refuses a header of 20 kB with 431, as a problem", () =>
        Effect.gen(function*() {
          const { service } = yield* Running
          const answer = yield* ServiceProcess.get(`${service.url}/readyz`, { "x-long": "x".repeat(20_000) })
          assert.strictEqual(answer.status, 431)
          assert.strictEqual(answer.headers["content-type"], "application/problem+json")
          assert.include(answer.body, `"type":"urn:ostinato:headers-too-large","status":431`)
        }))

      it.effect("answers 400 to bytes that are no request and closes the connection", () =>
        Effect.gen(function*() {
          const { service } = yield* Running
          const bytes = [
            "\u0000\u0001\r\n\r\n",
            "GET / HTTP/1.1\r\n\r\n",
            "POST /api/v1/runs HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
          ]
          for (const request of bytes) {
            assert.match(yield* ServiceProcess.raw(service.url, request), /^HTTP\/1\.1 400 /, request)
          }
        }))

      it.effect("stays ready and has nothing to report in its log", () =>
        Effect.gen(function*() {
          const { service } = yield* Running
          assert.strictEqual((yield* ServiceProcess.get(`${service.url}/readyz`)).status, 200)
          const loud = service.stderr().filter((line) => !line.includes(`"level":"INFO"`))
          assert.deepStrictEqual(loud, [])
          assert.strictEqual(service.stdout(), "")
        }))
    })
  })

  it.effect("S1.3 S1.33 npm start: a signal to the whole process group lets the run end before the server stops", () =>
    Effect.gen(function*() {
      const data = yield* ServiceProcess.dataDirectory
      const gate = yield* ServiceProcess.gate()
      const place = { data, repository: yield* History.repository }
      const service = yield* ServiceProcess.npmStart(place, { env: { PATH: gate.folder } })
      const git = yield* gate.reached
      const server = ServiceProcess.postmaster(data) ?? 0
      yield* service.signalGroup("SIGTERM")
      yield* service.line("stopping: no new run begins")
      assert.isTrue(ServiceProcess.isAlive(server))
      assert.deepStrictEqual(
        (yield* items(`${service.url}/api/v1/runs`, TaskRun)).map(({ status }) => status),
        ["running"]
      )
      yield* git.open
      yield* service.line("pipeline.completed")
      yield* service.line(`"message":"stopped"`)
      assert.strictEqual((yield* service.ended).code, 0, service.stderr().join("\n"))
      assert.isFalse(service.stderr().some((line) => line.includes("again")))
      assert.deepStrictEqual(ServiceProcess.postgres(data), [])
    }))
})
