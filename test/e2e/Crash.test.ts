import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, layer } from "@effect/vitest"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { AccountFigures, PlatformFigures, RepositoryFigures } from "../../src/apps/insights/InsightsApi.ts"
import { RunDetails, TaskRun } from "../../src/core/TaskRun.ts"
import { ScheduleSummary } from "../../src/service/AdminApi.ts"
import * as History from "./History.ts"
import * as ServiceProcess from "./ServiceProcess.ts"

const Runs = Schema.Struct({ items: Schema.Array(TaskRun) })
const Schedules = Schema.Struct({ items: Schema.Array(ScheduleSummary) })
const Repositories = Schema.Struct({ items: Schema.Array(RepositoryFigures) })

// when they were collected is the one thing that differs
const totals = (figures: RepositoryFigures) => Object.entries(figures).filter(([name]) => name !== "syncedAt")

const look = (url: string) =>
  Effect.all({
    runs: Effect.map(ServiceProcess.getJson(`${url}/api/v1/runs`, Runs), ({ items }) => items),
    nextTicks: Effect.map(
      ServiceProcess.getJson(`${url}/api/v1/schedules`, Schedules),
      ({ items }) => items.map(({ name, nextTick }) => [name, nextTick === null ? null : DateTime.formatIso(nextTick)])
    ),
    figures: Effect.map(
      ServiceProcess.getJson(`${url}/api/v1/insights/repositories`, Repositories),
      ({ items }) => items
    ),
    sums: Effect.all([
      ServiceProcess.getJson(`${url}/api/v1/insights/accounts`, Schema.Struct({ items: Schema.Array(AccountFigures) })),
      ServiceProcess.getJson(
        `${url}/api/v1/insights/platforms`,
        Schema.Struct({ items: Schema.Array(PlatformFigures) })
      )
    ])
  })

layer(NodeServices.layer, { excludeTestServices: true, concurrent: true })("crash", (it) => {
  it.effect(
    "kill -9 during a sync: the same job goes on at the stage that it had not finished, and its figures are those of an undisturbed run",
    () =>
      Effect.gen(function*() {
        const there = { data: yield* ServiceProcess.usedDirectory, repository: yield* History.repository }
        const gate = yield* ServiceProcess.gate()
        const service = yield* ServiceProcess.serve(there, { env: { PATH: gate.folder } })
        const git = yield* gate.reached
        const before = yield* look(service.url)
        assert.deepStrictEqual(before.runs.map(({ status }) => status), ["running"])
        assert.deepStrictEqual(before.figures, [])
        yield* service.signal("SIGKILL")
        assert.deepStrictEqual(yield* service.ended, { code: null, signal: "SIGKILL" })
        yield* git.open

        const again = yield* ServiceProcess.serve(there)
        yield* ServiceProcess.collected(again)
        const after = yield* look(again.url)
        const [resumed, ...others] = after.runs
        // the start of the second service found the job there already
        assert.deepStrictEqual(others, [])
        assert.deepStrictEqual(
          [resumed?.id, resumed?.status, resumed?.pid],
          [before.runs[0]?.id, "completed", again.pid]
        )
        assert.deepInclude(resumed?.trigger, { schedule: `insights.fortnightly:${there.repository}` })
        const { stages = [] } = yield* ServiceProcess.getJson(
          `${again.url}/api/v1/runs/${resumed?.id}/details`,
          RunDetails
        )
        assert.deepStrictEqual(stages.map(({ stage, startMs, status }) => [stage, status, startMs === null]), [
          ["insights.sync/discover", "completed", true],
          ["insights.sync/repositories", "completed", false],
          ["insights.sync/accounts", "completed", false],
          ["insights.sync/platforms", "completed", false],
          ["insights.sync/rollup", "completed", false]
        ])
        assert.deepStrictEqual(after.nextTicks, before.nextTicks)

        const ran = yield* ServiceProcess.command(["run", "insights.sync"], { env: ServiceProcess.at(there) })
        assert.strictEqual(ran.code, 0, ran.stderr.join("\n"))
        const undisturbed = yield* look(again.url)
        assert.strictEqual(after.figures[0]?.commits, History.figures(there.repository).commits)
        assert.deepStrictEqual(after.figures.map(totals), undisturbed.figures.map(totals))
        assert.deepStrictEqual(after.sums, undisturbed.sums)
      }),
    60_000
  )

  it.effect(
    "S1.23 an embedded server that is killed comes back by itself: the run in flight ends as recorded, the next ones run",
    () =>
      Effect.gen(function*() {
        const there = { data: yield* ServiceProcess.usedDirectory, repository: yield* History.repository }
        const gate = yield* ServiceProcess.gate()
        const env = { PATH: gate.folder, TASK_SCHEDULER_INTERVAL: "1" }
        const service = yield* ServiceProcess.serve(there, { env })
        const git = yield* gate.reached
        const server = ServiceProcess.postmaster(there.data)
        assert.isDefined(server)
        process.kill(server, "SIGKILL")
        yield* service.line("serves again as process")
        yield* git.open
        yield* service.line("pipeline.completed")
        const runs = Effect.map(ServiceProcess.getJson(`${service.url}/api/v1/runs`, Runs), ({ items }) => items)
        const after = yield* ServiceProcess.until(
          runs,
          (all) => all.filter(({ status }) => status === "completed").length >= 3
        )
        assert.isEmpty(after.filter(({ status }) => !["completed", "running", "waiting"].includes(status)))
        yield* ServiceProcess.until(ServiceProcess.get(`${service.url}/readyz`), ({ status }) => status === 200)
        yield* service.signal("SIGTERM")
        assert.deepStrictEqual(yield* service.ended, { code: 0, signal: null })
        assert.isFalse(ServiceProcess.isAlive(server))
      }),
    60_000
  )
})
