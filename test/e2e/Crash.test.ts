import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, layer } from "@effect/vitest"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { RepositoryFigures } from "../../src/apps/insights/InsightsApi.ts"
import { TaskRun } from "../../src/core/TaskRun.ts"
import { ScheduleSummary } from "../../src/service/AdminApi.ts"
import * as History from "./History.ts"
import * as ServiceProcess from "./ServiceProcess.ts"

const Runs = Schema.Struct({ items: Schema.Array(TaskRun) })
const Schedules = Schema.Struct({ items: Schema.Array(ScheduleSummary) })
const Repositories = Schema.Struct({ items: Schema.Array(RepositoryFigures) })

const totals = ({ commits, head, id }: RepositoryFigures) => ({ commits, head, id })

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
    )
  })

layer(NodeServices.layer, { excludeTestServices: true, concurrent: true })("crash", (it) => {
  it.effect(
    "kill -9 during a run loses nothing: figures, runs and next tick are as before, the cut run is abandoned",
    () =>
      Effect.gen(function*() {
        const there = { data: yield* ServiceProcess.usedDirectory, repository: yield* History.repository }
        const ran = yield* ServiceProcess.command(["run", "insights.sync"], { env: ServiceProcess.at(there) })
        assert.strictEqual(ran.code, 0, ran.stderr.join("\n"))

        const gate = yield* ServiceProcess.gate()
        const service = yield* ServiceProcess.serve(there, { env: { PATH: gate.folder } })
        const git = yield* gate.reached
        const before = yield* look(service.url)
        assert.deepStrictEqual(before.runs.map(({ status }) => status), ["running", "completed"])
        assert.strictEqual(before.figures[0]?.commits, History.figures(there.repository).commits)
        yield* service.signal("SIGKILL")
        assert.deepStrictEqual(yield* service.ended, { code: null, signal: "SIGKILL" })
        yield* git.open

        const again = yield* ServiceProcess.serve(there)
        yield* again.line("run completed")
        const after = yield* look(again.url)
        const [fresh, cut, kept] = after.runs
        assert.deepStrictEqual(after.runs.map(({ status }) => status), ["completed", "abandoned", "completed"])
        assert.deepInclude(fresh?.trigger, { schedule: `insights.fortnightly:${there.repository}` })
        assert.deepStrictEqual([cut?.id, cut?.failure, cut?.output], [before.runs[0]?.id, null, null])
        assert.deepStrictEqual(kept, before.runs[1])
        assert.deepStrictEqual(after.nextTicks, before.nextTicks)
        assert.deepStrictEqual(after.figures.map(totals), before.figures.map(totals))
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
        yield* service.line("run completed")
        const runs = Effect.map(ServiceProcess.getJson(`${service.url}/api/v1/runs`, Runs), ({ items }) => items)
        const after = yield* ServiceProcess.until(
          runs,
          (all) => all.filter(({ status }) => status === "completed").length >= 3
        )
        assert.isEmpty(after.filter(({ status }) => status !== "completed" && status !== "running"))
        yield* ServiceProcess.until(ServiceProcess.get(`${service.url}/readyz`), ({ status }) => status === 200)
        yield* service.signal("SIGTERM")
        assert.deepStrictEqual(yield* service.ended, { code: 0, signal: null })
        assert.isFalse(ServiceProcess.isAlive(server))
      }),
    60_000
  )
})
