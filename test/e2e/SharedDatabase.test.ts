import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, layer } from "@effect/vitest"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as fs from "node:fs"
import { RepositoryFigures } from "../../src/apps/insights/InsightsApi.ts"
import { TaskRun } from "../../src/core/TaskRun.ts"
import { ScheduleSummary } from "../../src/service/AdminApi.ts"
import { EmbeddedPostgres } from "../../src/store/EmbeddedPostgres.ts"
import * as History from "./History.ts"
import * as ServiceProcess from "./ServiceProcess.ts"

const Runs = Schema.Struct({ items: Schema.Array(TaskRun) })
const Repositories = Schema.Struct({ items: Schema.Array(RepositoryFigures) })

const Schedules = Schema.Struct({ items: Schema.Array(ScheduleSummary) })

/** The runs of these services, as one of them lists them. */
const runs = (url: string, services: ReadonlyArray<ServiceProcess.Service>) =>
  Effect.map(
    ServiceProcess.getJson(`${url}/api/v1/runs?limit=200`, Runs),
    ({ items }) => items.filter((run) => services.some(({ pid }) => pid === run.pid))
  )

/** A server that belongs to none of the services. */
const Server = Layer.unwrap(
  Effect.map(ServiceProcess.usedDirectory, (directory) => EmbeddedPostgres.layer({ directory }))
)

/** When the schedule of a repository was last due, as milliseconds; 0: never. */
const lastTick = (url: string, repository: string) =>
  Effect.map(ServiceProcess.getJson(`${url}/api/v1/schedules`, Schedules), ({ items }) => {
    const found = items.find(({ name }) => name === `insights.fortnightly:${repository}`)?.lastTick
    return found == null ? 0 : DateTime.toEpochMillis(found)
  })

/** The instants of the runs that a schedule started, as text. */
const ticks = (runs: ReadonlyArray<TaskRun>) =>
  runs.flatMap(({ trigger }) => "tick" in trigger ? [DateTime.formatIso(trigger.tick)] : [])

layer(Server.pipe(Layer.provideMerge(NodeServices.layer)), {
  excludeTestServices: true,
  timeout: "60 seconds",
  concurrent: true
})(
  "serve with DATABASE_URL",
  (it) => {
    it.effect(
      "S1.21 two services on one database: a tick makes one job, whichever of them it is, and what is due while it runs is the same job",
      () =>
        Effect.gen(function*() {
          const server = yield* EmbeddedPostgres
          const there = { data: yield* ServiceProcess.dataDirectory, repository: yield* History.repository }
          const gate = yield* ServiceProcess.gate()
          const env = { DATABASE_URL: Redacted.value(server.url), TASK_SCHEDULER_INTERVAL: "1" }
          const first = yield* ServiceProcess.serve(there, { env: { ...env, PATH: gate.folder } })
          const git = yield* gate.reached
          // the same clone by another path
          const link = `${there.data}-link`
          fs.symlinkSync(there.repository, link)
          const second = yield* ServiceProcess.serve({ ...there, repository: link }, { env })
          assert.isFalse(fs.existsSync(there.data))
          // its own start, and a tick that is due while the job runs
          const before = yield* lastTick(second.url, there.repository)
          yield* ServiceProcess.until(lastTick(second.url, there.repository), (tick) => tick > before)
          const both = [first, second]
          assert.deepStrictEqual((yield* runs(second.url, both)).map(({ pid, status }) => [pid, status]), [[
            first.pid,
            "running"
          ]])

          yield* git.open
          yield* ServiceProcess.collected(second)
          yield* ServiceProcess.until(runs(second.url, both), (all) => all.length >= 5)
          yield* second.signal("SIGTERM")
          assert.deepStrictEqual(yield* second.ended, { code: 0, signal: null })
          const all = ticks(yield* runs(first.url, both))
          assert.deepStrictEqual(Array.from(new Set(all)), all)
        }),
      60_000
    )

    it.effect(
      "two services with two repositories on one database: each collects its own, whatever the other does",
      () =>
        Effect.gen(function*() {
          const server = yield* EmbeddedPostgres
          const place = Effect.gen(function*() {
            return { data: yield* ServiceProcess.dataDirectory, repository: yield* History.repository }
          })
          const [here, there] = [yield* place, yield* place]
          const gate = yield* ServiceProcess.gate()
          const env = { DATABASE_URL: Redacted.value(server.url), TASK_SCHEDULER_INTERVAL: "1" }
          const first = yield* ServiceProcess.serve(here, { env: { ...env, PATH: gate.folder } })
          const git = yield* gate.reached
          const second = yield* ServiceProcess.serve(there, { env })
          yield* second.line("pipeline.completed")
          yield* git.open
          yield* first.line("pipeline.completed")
          const all = yield* ServiceProcess.until(
            runs(second.url, [first, second]),
            (all) =>
              [first, second].every(({ pid }) =>
                all.filter((run) => run.pid === pid && run.status === "completed").length >= 2
              )
          )
          for (const [{ pid }, { repository }] of [[first, here], [second, there]] as const) {
            const own = all.filter((run) => run.pid === pid && run.status === "completed")
            own.forEach(({ output, trigger }) => {
              assert.nestedPropertyVal(output, "repositories[0].repository", repository)
              assert.deepInclude(trigger, { schedule: `insights.fortnightly:${repository}` })
            })
          }
          const { items } = yield* ServiceProcess.getJson(`${first.url}/api/v1/insights/repositories`, Repositories)
          const paths = items.map(({ path }) => path)
          assert.includeMembers(paths, [here.repository, there.repository])
        }),
      60_000
    )

    it.effect(
      "a service that is killed leaves a database that the next one serves, with a password nobody saw",
      () =>
        Effect.gen(function*() {
          const server = yield* EmbeddedPostgres
          const there = { data: yield* ServiceProcess.dataDirectory, repository: yield* History.repository }
          const env = { DATABASE_URL: Redacted.value(server.url) }
          const first = yield* ServiceProcess.serve(there, { env })
          yield* first.line("pipeline.completed")
          // the end of the run is told before the end of its tick is written
          yield* ServiceProcess.until(
            ServiceProcess.getJson(`${first.url}/api/v1/schedules`, Schedules),
            ({ items }) =>
              items.some(({ name, open }) => name === `insights.fortnightly:${there.repository}` && open === 0)
          )
          yield* first.signal("SIGKILL")
          yield* first.ended
          const second = yield* ServiceProcess.serve(there, { env })
          yield* second.line("pipeline.completed")
          const { items } = yield* ServiceProcess.getJson(`${second.url}/api/v1/insights/repositories`, Repositories)
          const found = items.find(({ path }) => path === there.repository)
          assert.strictEqual(found?.commits, History.figures(there.repository).commits)
          assert.isTrue(ServiceProcess.isAlive(server.pid))
          const said = [...first.stderr(), ...second.stderr()].join("\n")
          assert.notInclude(said, Redacted.value(server.connection.password))
        }),
      60_000
    )
  }
)
