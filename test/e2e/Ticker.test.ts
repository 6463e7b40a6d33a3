import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as path from "node:path"
import * as ServiceProcess from "./ServiceProcess.ts"

/** What the program counted: an interval, the time that its work takes and the time that it runs, in milliseconds. */
const ticker = Effect.fnUntraced(function*(interval: number, work: number, during: number) {
  const file = path.join(import.meta.dirname, "ticker.ts")
  const program = yield* ServiceProcess.start([
    process.execPath,
    "--conditions=ostinato:source",
    file,
    String(interval),
    String(work),
    String(during)
  ])
  assert.deepStrictEqual(yield* program.ended, { code: 0, signal: null })
  const [, started, completed, timedOut] = /(\d+) (\d+) \[(.*)\]\s*$/.exec(program.stdout()) ?? []
  return { started: Number(started), completed: Number(completed), timedOut }
})

layer(NodeServices.layer, { excludeTestServices: true, concurrent: true })("a program with a schedule", (it) => {
  it.effect("S0.46 runs 25 ± 2 times in 5 s at an interval of 200 ms", () =>
    Effect.scoped(Effect.gen(function*() {
      const { completed, started } = yield* ticker(200, 0, 5050)
      assert.closeTo(started, 25, 2)
      assert.strictEqual(completed, started)
    })))

  it.effect("S0.14 stops only when work of 2 s has ended, for which there are 5 s", () =>
    Effect.scoped(Effect.gen(function*() {
      assert.deepStrictEqual(yield* ticker(500, 2000, 700), { started: 1, completed: 1, timedOut: "" })
    })))
})
