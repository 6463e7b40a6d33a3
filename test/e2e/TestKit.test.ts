/** The test kit as somebody has it who installed the package: in a folder of their own, with plain test runners. */
import { spawnSync } from "node:child_process"
import { mkdirSync, readFileSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { assert, beforeAll, describe, it } from "vitest"
import { tarball } from "../house/packed.ts"
import { plant, root } from "../house/planted.ts"

const property = (missed: string) => `
import { Effect, Layer, Schedule, Schema } from "effect"
import { Dispatch, Task } from "ostinato"
import { PeriodicTask, TaskScheduler, Timetable } from "ostinato/schedule"
import { Simulation, TestTasks } from "ostinato/testing"

class Declined extends Schema.TaggedError()("Declined", {}) {}
const Bill = Task.make("shop.bill", {
  error: Declined,
  retry: Schedule.spaced("1 minute").pipe(Schedule.upTo({ times: 3 }))
})
const Nightly = PeriodicTask.make("shop.nightly", {
  timetable: Timetable.every("1 day", { anchor: "fixed" }),
  task: Bill,
  payload: {},
  dispatch: Dispatch.here,
  missed: ${missed}
})

export const billsEveryDay = Effect.gen(function*() {
  let attempts = 0
  const handler = Bill.toLayer(() =>
    Effect.andThen(Effect.sleep("2 seconds"), Effect.suspend(() => ++attempts % 4 === 0 ? new Declined() : Effect.void))
  )
  const nodes = yield* TestTasks.nodes(
    TaskScheduler.layer([Nightly], { poll: "6 hours" }).pipe(Layer.provide(handler)),
    { nodes: 2, crashes: { every: "18 hours", down: "14 hours" }, faults: { unavailable: 0.05, delay: 0.1 } }
  )
  yield* Effect.sleep("30 days")
  yield* nodes.calm
  yield* Effect.sleep("36 hours")
  const days = (yield* nodes.ticks("shop.nightly")).length
  if (days !== 31) return yield* Effect.fail(\`billed on \${days} of 31 days\`)
  return (yield* nodes.runs).every((run) => run.status === "completed" || run.status === "abandoned")
})
`
const check = `Simulation.checkPromise("bills (once) a day", billsEveryDay, { seeds: 4 })`
const files = {
  "package.json": `{ "name": "stranger", "type": "module" }\n`,
  "right.js": property("{ all: 31 }"),
  "wrong.js": property(`"skip"`),
  ...Object.fromEntries(["right", "wrong"].flatMap((name) => [
    [
      `test/${name}.test.js`,
      `import { Simulation } from "ostinato/testing"\nimport { it } from "vitest"\nimport { billsEveryDay } from "../${name}.js"\n` +
      `it("bills (once) a day", () => ${check}, 60_000)\n`
    ],
    [
      `node/${name}.js`,
      `import { Simulation } from "ostinato/testing"\nimport { it } from "node:test"\nimport { billsEveryDay } from "../${name}.js"\n` +
      `it("bills (once) a day", () => ${check})\n`
    ]
  ]))
}

let app = ""

const sh = (folder: string, command: string) => {
  const own = Object.entries(process.env).filter(([name]) => !/^(VITEST|NODE_|npm_|TEST$|CI$|OSTINATO)/.test(name))
  const env = {
    ...Object.fromEntries(own),
    PATH: `${join(root, "node_modules/.bin")}:${process.env["PATH"]}`,
    NO_COLOR: "1"
  }
  const { status, stderr, stdout } = spawnSync("sh", ["-c", command], {
    cwd: folder,
    encoding: "utf8",
    env,
    timeout: 120_000
  })
  return { status, output: stdout + stderr }
}

beforeAll(async () => {
  const archive = await tarball()
  app = plant({})
  rmSync(join(app, "node_modules"))
  for (const [file, text] of Object.entries(files)) {
    mkdirSync(dirname(join(app, file)), { recursive: true })
    writeFileSync(join(app, file), text)
  }
  mkdirSync(join(app, "node_modules/ostinato"), { recursive: true })
  mkdirSync(join(app, "node_modules/@effect"))
  const unpacked = sh(app, `tar -xzf ${archive} --strip-components=1 -C node_modules/ostinato`)
  assert.strictEqual(unpacked.status, 0, unpacked.output)
  for (const peer of ["effect", "vitest", "@effect/platform-node", "@effect/sql-pg", ".bin"]) {
    symlinkSync(realpathSync(join(root, "node_modules", peer)), join(app, "node_modules", peer))
  }
  assert.include(readFileSync(join(app, "node_modules/ostinato/package.json"), "utf8"), `"./testing"`)
}, 150_000)

/** What a failing seed said: which it is, why, and what happened last. */
const said = (output: string) => {
  const [, seed, reason] =
    /bills \(once\) a day: seed (\d+) fails, seed number \d+ of those tried: (.*)/.exec(output) ?? []
  const replay = /^ *(OSTINATO_SEED=.*)$/m.exec(output)?.[1] ?? ""
  const trace = [...output.matchAll(/^ *(\d+d \d\d:\d\d:\d\d\.\d{3} .*)$/gm)].map(([, line]) => line!.trim()).slice(
    0,
    20
  )
  return { seed, reason, replay, trace }
}

describe("the test kit of the packed package, in an empty project", () => {
  for (
    const [runner, command, right, wrong] of [
      ["vitest", "npx vitest run", "test/right.test.js", "test/wrong.test.js"],
      ["node:test", "node --test", "node/right.js", "node/wrong.js"]
    ] as const
  ) {
    it(`D.6 ${runner}: a property over thirty simulated days holds, with retries and crashes`, () => {
      const { output, status } = sh(app, `${command} ${right}`)
      assert.strictEqual(status, 0, output)
    }, 120_000)

    it(`D.6 ${runner}: a failing seed prints its replay command, and that command fails in the same way`, () => {
      const first = sh(app, `${command} ${wrong}`)
      assert.strictEqual(first.status, 1, first.output)
      const failure = said(first.output)
      assert.match(failure.reason ?? "", /^billed on \d+ of 31 days$/, first.output)
      assert.match(failure.replay, new RegExp(`^OSTINATO_SEED=${failure.seed} ${command}`))
      assert.isAbove(failure.trace.length, 5)
      const again = sh(app, failure.replay)
      assert.strictEqual(again.status, 1, again.output)
      assert.deepStrictEqual(said(again.output), failure)
      assert.include(again.output, "seed number 1 of those tried")
    }, 120_000)
  }
})
