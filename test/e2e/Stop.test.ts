import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { TaskRun } from "../../src/core/TaskRun.ts"
import * as History from "./History.ts"
import * as ServiceProcess from "./ServiceProcess.ts"

const Runs = Schema.Struct({ items: Schema.Array(TaskRun) })

const place = Effect.all({ data: ServiceProcess.usedDirectory, repository: History.repository })

const statuses = (url: string) =>
  Effect.map(ServiceProcess.getJson(`${url}/api/v1/runs`, Runs), ({ items }) => items.map(({ status }) => status))

/** A service whose start run stands at the gate. */
const held = Effect.fnUntraced(function*(options?: {
  readonly stubborn?: boolean
  readonly env?: Readonly<Record<string, string>>
}) {
  const there = yield* place
  const gate = yield* ServiceProcess.gate({ stubborn: options?.stubborn ?? false })
  const service = yield* ServiceProcess.serve(there, { env: { PATH: gate.folder, ...options?.env } })
  return { there, service, git: yield* gate.reached }
})

const assertGone = (data: string) => assert.deepStrictEqual(ServiceProcess.postgres(data), [])

/** Starts again on the same data, running nothing, and looks at what the log of runs says. */
const later = (there: ServiceProcess.Place) =>
  Effect.scoped(Effect.gen(function*() {
    const service = yield* ServiceProcess.serve(there, { env: { OSTINATO_ROLE: "api" } })
    return (yield* ServiceProcess.getJson(`${service.url}/api/v1/runs`, Runs)).items
  }))

layer(NodeServices.layer, { excludeTestServices: true })("stop", (it) => {
  it.effect(
    "S1.3 S1.10 S1.33 is ready before its start run has ended; SIGTERM then: not ready, the run ends well, exit 0, no server left",
    () =>
      Effect.gen(function*() {
        const { git, service, there } = yield* held()
        assert.deepStrictEqual(yield* statuses(service.url), ["running"])
        assert.strictEqual((yield* ServiceProcess.get(`${service.url}/readyz`)).status, 200)
        assert.isNotEmpty(ServiceProcess.postgres(there.data))
        yield* service.signal("SIGTERM")
        yield* service.line("stopping: no new run begins")
        const answer = yield* ServiceProcess.until(
          ServiceProcess.get(`${service.url}/readyz`),
          ({ status }) => status !== 200
        )
        assert.strictEqual(answer.status, 503)
        assert.include(answer.body, `{"name":"worker","ok":false,"detail":"stopping: 1 of 2 jobs"}`)
        assert.strictEqual((yield* ServiceProcess.get(`${service.url}/livez`)).status, 200)
        assert.deepStrictEqual(yield* statuses(service.url), ["running"])

        yield* git.open
        assert.deepStrictEqual(yield* service.ended, { code: 0, signal: null })
        const log = service.stderr().map((line) => /"message":"([^"]*)/.exec(line)?.[1] ?? line)
        const [stopping, completed] = ["stopping", "pipeline.completed"].map((begin) =>
          log.findIndex((line) => line.startsWith(begin))
        )
        assert.isDefined(stopping)
        assert.isDefined(completed)
        assert.isTrue(stopping !== -1 && stopping < completed, log.join("\n"))
        assert.strictEqual(log.at(-1), "stopped")
        assertGone(there.data)
        assert.deepStrictEqual((yield* later(there)).map(({ status }) => status), ["completed"])
      }),
    60_000
  )

  it.effect("S1.33 SIGINT stops an idle service: it says so and exits 0", () =>
    Effect.gen(function*() {
      const there = yield* place
      const service = yield* ServiceProcess.serve(there)
      yield* ServiceProcess.collected(service)
      yield* service.signal("SIGINT")
      assert.deepStrictEqual(yield* service.ended, { code: 0, signal: null })
      yield* service.line("stopping: no new run begins")
      assert.include(service.stderr().at(-1), `"message":"stopped"`)
      assertGone(there.data)
    }))

  // each waits for real time most of the time
  describe.concurrent("of work that does not end", () => {
    it.effect.each(["0", "1"])(
      "a run that never ends is interrupted after OSTINATO_DRAIN_TIMEOUT=%s, its git killed although it ignores SIGTERM, its job given back",
      (drain) =>
        Effect.gen(function*() {
          const { git, service, there } = yield* held({ stubborn: true, env: { OSTINATO_DRAIN_TIMEOUT: drain } })
          assert.isTrue(ServiceProcess.isAlive(git.pid))
          yield* service.signal("SIGTERM")
          assert.deepStrictEqual(yield* service.ended, { code: 0, signal: null })
          yield* service.line(
            `jobs of insights:${there.repository}: stopped; of what it held 0 completed, 1 handed back, 0 abandoned`
          )
          assert.isFalse(ServiceProcess.isAlive(git.pid))
          assertGone(there.data)
          const [run, ...others] = yield* later(there)
          assert.deepStrictEqual([run?.status, run?.failure, others], ["waiting", null, []])
          yield* git.open
        }),
      60_000
    )

    it.effect(
      "S1.3 a second SIGTERM, more than a second after the first, ends the process with 143 at once",
      () =>
        Effect.gen(function*() {
          const { git, service } = yield* held()
          yield* service.signal("SIGTERM")
          yield* service.line("stopping: no new run begins")
          // a repeat within a second counts as the same wish, so only real time can tell the two apart
          yield* Effect.sleep("1100 millis")
          yield* service.signal("SIGTERM")
          assert.deepStrictEqual(yield* service.ended, { code: 143, signal: null })
          yield* service.line("ostinato: SIGTERM again: ended without waiting for work in flight")
          assert.isFalse(service.stderr().some((line) => line.includes("pipeline.completed")))
          yield* git.open
        }),
      60_000
    )
  })
})
