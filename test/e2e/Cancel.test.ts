import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { TaskRun } from "../../src/core/TaskRun.ts"
import * as History from "./History.ts"
import * as ServiceProcess from "./ServiceProcess.ts"

const Runs = Schema.Struct({ items: Schema.Array(TaskRun) })

layer(NodeServices.layer, { excludeTestServices: true })("runs cancel", (it) => {
  it.effect("D.9 stops a run of a service from another process, with actor and reason; the service serves on", () =>
    Effect.gen(function*() {
      const there = { data: yield* ServiceProcess.dataDirectory, repository: yield* History.repository }
      const gate = yield* ServiceProcess.gate()
      const service = yield* ServiceProcess.serve(there, { env: { PATH: gate.folder } })
      yield* gate.reached
      const { items: [run] } = yield* ServiceProcess.getJson(`${service.url}/api/v1/runs`, Runs)
      const id = run?.id ?? assert.fail("no run")
      const cancel = (...args: ReadonlyArray<string>) =>
        ServiceProcess.command(["runs", "cancel", id, ...args], { env: ServiceProcess.at(there) })

      const asked = yield* cancel("--actor", "ada", "--reason", "wrong branch")
      assert.deepStrictEqual(
        [asked.code, asked.stdout, asked.told],
        [0, `insights.sync is asked to stop by ada: wrong branch (run ${id})\n`, []]
      )
      yield* service.line("job cancelled by ada: wrong branch")
      const ended = yield* ServiceProcess.getJson(`${service.url}/api/v1/runs/${id}`, TaskRun)
      assert.deepInclude(ended, { status: "cancelled", cancellation: { actor: "ada", reason: "wrong branch" } })
      assert.strictEqual((yield* ServiceProcess.get(`${service.url}/readyz`)).status, 200)

      const late = yield* cancel()
      assert.deepStrictEqual(
        [late.code, late.told],
        [1, [`ostinato: run ${id} has ended as cancelled: there is nothing to cancel`]]
      )
    }))
})
