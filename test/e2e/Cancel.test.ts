import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { hostname } from "node:os"
import { TaskRun } from "../../src/core/TaskRun.ts"
import { Job, jobIdOf } from "../../src/jobs/Job.ts"
import { QueueSummary } from "../../src/service/QueuesApi.ts"
import * as History from "./History.ts"
import * as ServiceProcess from "./ServiceProcess.ts"

const decodeJob = Schema.decodeSync(Schema.fromJsonString(Schema.toCodecJson(Job)))

const Runs = Schema.Struct({ items: Schema.Array(TaskRun) })

layer(NodeServices.layer, { excludeTestServices: true })("runs cancel", (it) => {
  it.effect(
    "D.9 another process sees the job of a service, pauses its queue and stops its run, with actor and reason; the service serves on",
    () =>
      Effect.gen(function*() {
        const there = { data: yield* ServiceProcess.dataDirectory, repository: yield* History.repository }
        const gate = yield* ServiceProcess.gate()
        const service = yield* ServiceProcess.serve(there, { env: { PATH: gate.folder } })
        yield* gate.reached
        const { items: [run] } = yield* ServiceProcess.getJson(`${service.url}/api/v1/runs`, Runs)
        const id = run?.id ?? assert.fail("no run")
        const cancel = (...args: ReadonlyArray<string>) =>
          ServiceProcess.command(["runs", "cancel", id, ...args], { env: ServiceProcess.at(there) })

        // the same on the command line of the jobs, beside the service
        const told = (...args: ReadonlyArray<string>) =>
          Effect.map(
            ServiceProcess.command(args, { env: ServiceProcess.at(there) }),
            ({ code, stdout }) => [code, stdout] as const
          )
        const job = jobIdOf(id) ?? assert.fail("the run is no job")
        const queue = `insights:${there.repository}`
        const [listed, explained, none, paused] = yield* Effect.all([
          told("jobs", "list", "-q", `state:running queue:${queue}`, "-o", "ndjson"),
          told("jobs", "explain", job),
          told("jobs", "show", "77"),
          told("queues", "pause", queue, "--json")
        ], { concurrency: 2 })
        assert.strictEqual(listed[0], 0)
        const [running, ...others] = listed[1].trim().split("\n").map((line) => decodeJob(line))
        assert.deepStrictEqual(others, [])
        assert.deepInclude(running, {
          id: job,
          task: "insights.sync",
          queue,
          node: `${hostname()}:${service.pid}`
        })
        assert.include(explained[1], "running")
        assert.deepStrictEqual([explained[0], none[0], paused[0]], [0, 3, 0])
        const shown = yield* ServiceProcess.getJson(
          `${service.url}/api/v1/queues/${encodeURIComponent(queue)}`,
          QueueSummary
        )
        assert.isNotNull(shown.pausedAt)

        const asked = yield* cancel("--actor", "ada", "--reason", "wrong branch")
        assert.deepStrictEqual(
          [asked.code, asked.stdout, asked.told],
          [0, `insights.sync is asked to stop by ada: wrong branch (run ${id})\n`, []]
        )
        yield* service.line("job cancelled by ada: wrong branch")
        // the line is written before the store knows
        const ended = yield* ServiceProcess.until(
          ServiceProcess.getJson(`${service.url}/api/v1/runs/${id}`, TaskRun),
          ({ status }) => status !== "running"
        )
        assert.deepInclude(ended, { status: "cancelled", cancellation: { actor: "ada", reason: "wrong branch" } })
        assert.strictEqual((yield* ServiceProcess.get(`${service.url}/readyz`)).status, 200)

        const late = yield* cancel()
        assert.deepStrictEqual(
          [late.code, late.told],
          [1, [`ostinato: run ${id} has ended as cancelled: there is nothing to cancel`]]
        )
      }),
    60_000
  )
})
