import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, layer } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { hostname } from "node:os"
import * as path from "node:path"
import { SyncInsights } from "../../src/apps/insights/SyncInsights.ts"
import { TaskRun } from "../../src/core/TaskRun.ts"
import * as GitFixture from "../fixtures/git/GitFixture.ts"
import * as History from "./History.ts"
import * as ServiceProcess from "./ServiceProcess.ts"

const Runs = Schema.Struct({ items: Schema.Array(TaskRun) })

const decodeRun = Schema.decodeEffect(Schema.fromJsonString(Schema.toCodecJson(TaskRun)))

const decodeOutput = Schema.decodeUnknownEffect(SyncInsights.success)

const encodeInput = Schema.encodeEffect(Schema.fromJsonString(Schema.Struct({ repository: Schema.String })))

const place = Effect.all({ data: ServiceProcess.usedDirectory, repository: History.repository })

const runsOf = ({ url }: ServiceProcess.Service) =>
  Effect.map(ServiceProcess.getJson(`${url}/api/v1/runs`, Runs), ({ items }) => items)

/** A service whose schedules are disabled: it runs nothing itself. */
class Idle extends Context.Service<Idle, {
  readonly service: ServiceProcess.Service
  readonly place: ServiceProcess.Place
  /** The runs that there were before any command. */
  readonly before: ReadonlyArray<TaskRun>
}>()("ostinato/test/e2e/Run.test/Idle") {
  static readonly layer = Layer.effect(
    Idle,
    Effect.gen(function*() {
      const there = yield* place
      const service = yield* ServiceProcess.serve(there, { env: { TASK_SCHEDULER_ENABLED: "false" } })
      return { service, place: there, before: yield* runsOf(service) }
    })
  )
}

layer(NodeServices.layer, { excludeTestServices: true })("run", (it) => {
  it.effect("S1.7 S1.8 runs without a service; a later service lists the run with its trigger, host and process", () =>
    Effect.gen(function*() {
      const there = { data: yield* ServiceProcess.dataDirectory, repository: yield* History.repository }
      const env = ServiceProcess.at(there)
      const ran = yield* ServiceProcess.command(["run", "insights.sync"], { env })
      assert.strictEqual(ran.code, 0, ran.stderr.join("\n"))
      assert.match(ran.stdout, /^insights\.sync completed in \d+ ms \(run [0-9a-f-]{36}\)\n$/)
      assert.deepStrictEqual(ran.told, [])
      assert.deepStrictEqual(ServiceProcess.postgres(there.data), [])

      const service = yield* ServiceProcess.serve(there, { env: { TASK_SCHEDULER_ENABLED: "false" } })
      const { items: [run, ...others] } = yield* ServiceProcess.getJson(`${service.url}/api/v1/runs`, Runs)
      assert.deepStrictEqual(others, [])
      assert.include(ran.stdout, run?.id ?? "no run")
      assert.strictEqual(run?.status, "completed")
      assert.deepStrictEqual(run?.trigger, { kind: "cli", host: hostname(), pid: ran.pid })
      assert.deepStrictEqual([run?.host, run?.pid], [hostname(), ran.pid])
    }))

  it.layer(Idle.layer, { timeout: "60 seconds" })("beside a service", (it) => {
    it.effect("S1.8 runs beside a service whose schedules are disabled and which has run nothing itself, on what both are set up for", () =>
      Effect.gen(function*() {
        const { before, place: there, service } = yield* Idle
        assert.deepStrictEqual(before, [])
        assert.isTrue(
          service.stderr().some((line) => line.includes("schedules are disabled by TASK_SCHEDULER_ENABLED"))
        )

        const env = ServiceProcess.at(there)
        const ran = yield* ServiceProcess.command(["run", "insights.sync", "--json"], { env })
        assert.strictEqual(ran.code, 0, ran.stderr.join("\n"))
        assert.strictEqual(ran.stdout.split("\n").length, 2)
        const printed = yield* decodeRun(ran.stdout)
        const [recorded, ...others] = (yield* runsOf(service)).filter(({ trigger }) =>
          "pid" in trigger && trigger.pid === ran.pid
        )
        assert.deepStrictEqual([recorded, others], [printed, []])
        assert.deepStrictEqual(printed.trigger, { kind: "cli", host: hostname(), pid: ran.pid })
        const { repositories: [collected] } = yield* decodeOutput(printed.output)
        assert.deepInclude(collected, {
          repository: there.repository,
          commits: History.figures(there.repository).commits
        })
        assert.strictEqual((yield* ServiceProcess.get(`${service.url}/readyz`)).status, 200)
      }))

    it.effect("collects the repository that --input names and no other", () =>
      Effect.gen(function*() {
        const { place: there } = yield* Idle
        const other = yield* GitFixture.smallRepository("other")
        const env = ServiceProcess.at(there)
        const input = yield* encodeInput({ repository: other.root })
        const ran = yield* ServiceProcess.command(["run", "insights.sync", "--json", "--input", input], { env })
        assert.strictEqual(ran.code, 0, ran.stderr.join("\n"))
        const named = yield* decodeOutput((yield* decodeRun(ran.stdout)).output)
        assert.strictEqual(named.repositories.length, 1)
        assert.deepInclude(named.repositories[0], { repository: other.root, commits: 1 })
        const refused = yield* ServiceProcess.command(["run", "insights.sync", "--input", "{}"], { env })
        assert.strictEqual(refused.code, 64, refused.stderr.join("\n"))
        assert.include(refused.stderr.join("\n"), "repository")
      }))

    it.effect("ends with 1 and one readable line when the task fails, and prints the failed run with --json", () =>
      Effect.gen(function*() {
        const { data } = (yield* Idle).place
        const env = ServiceProcess.at({ data, repository: path.dirname(data) })
        const ran = yield* ServiceProcess.command(["run", "insights.sync", "--json"], { env })
        assert.strictEqual(ran.code, 1)
        const run = yield* decodeRun(ran.stdout)
        assert.strictEqual(run.status, "failed")
        assert.strictEqual(run.failure?.tag, "PipelineError")
        assert.strictEqual(ran.told.length, 1, ran.told.join("\n"))
        assert.include(
          ran.told[0],
          "ostinato: task insights.sync failed: stage repositories of pipeline insights.sync failed"
        )
        assert.include(ran.told[0], `"${path.dirname(data)}" is not inside a git`)
        assert.include(ran.told[0], run.id)
      }))
  })

  it.effect("ends with 143 and one readable line when SIGTERM interrupts it, and the run is recorded as interrupted", () =>
    Effect.gen(function*() {
      const there = yield* place
      const gate = yield* ServiceProcess.gate({ stubborn: false })
      const env = { ...ServiceProcess.at(there), PATH: gate.folder }
      const command = yield* ServiceProcess.start([...ServiceProcess.main, "run", "insights.sync"], { env })
      const git = yield* gate.reached
      yield* command.signal("SIGTERM")
      assert.strictEqual((yield* command.ended).code, 143)
      assert.include(command.stderr(), "ostinato: insights.sync was interrupted before its end")
      assert.isFalse(ServiceProcess.isAlive(git.pid))
      const service = yield* ServiceProcess.serve(there, { env: { TASK_SCHEDULER_ENABLED: "false" } })
      assert.deepStrictEqual((yield* runsOf(service)).map((run) => run.status), ["interrupted"])
    }))

  it.effect("a start run that fails is recorded and logged on one line, its job is discarded, and the service stays ready", () =>
    Effect.gen(function*() {
      const data = yield* ServiceProcess.usedDirectory
      const service = yield* ServiceProcess.serve({ data, repository: path.dirname(data) })
      const line = yield* service.line("job failed: PipelineError")
      assert.include(line, `"level":"ERROR"`)
      // the line is written before the store knows
      const { items } = yield* ServiceProcess.until(
        ServiceProcess.getJson(`${service.url}/api/v1/runs`, Runs),
        ({ items }) => items.every(({ status }) => status !== "running")
      )
      assert.deepStrictEqual(items.map(({ failure, status }) => [status, failure?.tag]), [["failed", "PipelineError"]])
      assert.strictEqual((yield* ServiceProcess.get(`${service.url}/readyz`)).status, 200)
      yield* service.signal("SIGTERM")
      assert.deepStrictEqual(yield* service.ended, { code: 0, signal: null })
    }))

  it.effect("ends with 64 and touches nothing for an unknown task, input that is no JSON, or a wrong command line", () =>
    Effect.gen(function*() {
      const there = yield* place
      const env = ServiceProcess.at(there)
      const cases = [
        [["run", "insights.nothing"], `there is no task "insights.nothing". Tasks: insights.sync`],
        [["run", "insights.sync", "--input", "{"], "--input is not JSON: {"],
        [["run"], "Missing required argument: task"],
        [["run", "insights.sync", "--nothing"], "Unrecognized flag: --nothing"],
        [["jobs", "enqueue", "insights.sync", "--delay", "90"], `"90" has no unit: write 90s`],
        [["jobs", "enqueue", "insights.sync", "--at", "2026-02-30"], "no calendar has a 2026-02-30"],
        [["queues", "drain", "mail", "--timeout", "soon"], `"soon" is no time: write 90s, 5m`],
        [["jobs", "show", "twelve"], "twelve"],
        [["nothing"], "nothing"]
      ] as const
      const ended = yield* Effect.forEach(cases, ([args]) => ServiceProcess.command(args, { env }), { concurrency: 2 })
      ended.forEach(({ code, stderr }, index) => {
        assert.strictEqual(code, 64, stderr.join("\n"))
        assert.include(stderr.join("\n"), cases[index]?.[1] ?? "no such case")
        assert.notMatch(stderr.join("\n"), /^ +at /m)
      })
      assert.isUndefined(ServiceProcess.postmaster(there.data))
    }))
})
