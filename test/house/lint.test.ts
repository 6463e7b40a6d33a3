import { assert, beforeAll, describe, it } from "vitest"
import { plant, run } from "./planted.ts"

interface Case {
  /** The rule as oxlint prints it. */
  readonly rule: string
  readonly fact: string
  /** Where the violation stands, and the violation. */
  readonly bad: readonly [path: string, code: string]
  /** Its correct twin: the same intent, as the house wants it. */
  readonly good: readonly [path: string, code: string]
}

const caught = (rule: string, fact: string, bad: Case["bad"], good: Case["good"]): Case => ({ rule, fact, bad, good })
const use = (target: string) => `import * as Target from "${target}"\nexport const target = Target\n`
const useType = (target: string) => `import type * as Target from "${target}"\nexport type Use = typeof Target\n`
const floors = (fact: string, bad: Case["bad"], good: Case["good"]) => caught("house(floors)", fact, bad, good)

const lines = (count: number) => Array.from({ length: count }, (_, n) => `export const n${n} = ${n}\n`).join("")

const effects = `import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as PubSub from "effect/PubSub"
import * as Ref from "effect/Ref"
import * as Result from "effect/Result"
import * as Semaphore from "effect/Semaphore"
import * as SynchronizedRef from "effect/SynchronizedRef"
export const modules = [Effect, Queue, PubSub, Ref, Result, Semaphore, SynchronizedRef]
`

const cases: ReadonlyArray<Case> = [
  floors(
    "an upward import",
    ["src/core/Upward.ts", use("../store/Database.ts")],
    ["src/store/Downward.ts", use("../core/Task.ts")]
  ),
  floors(
    "a sideways import",
    ["src/schedule/Sideways.ts", use("../jobs/JobQueue.ts")],
    ["src/schedule/Own.ts", use("./Timetable.ts")]
  ),
  floors(
    "another room's internal module",
    ["src/store/Internal.ts", use("../core/internal/attempt.ts")],
    ["src/core/OwnInternal.ts", use("./internal/attempt.ts")]
  ),
  floors(
    "a room's barrel",
    ["src/store/Barrel.ts", use("../core/index.ts")],
    ["src/store/Module.ts", use("../core/Drain.ts")]
  ),
  floors(
    "effect's barrel",
    ["src/core/EffectBarrel.ts", `export { Effect } from "effect"\n`],
    ["src/core/EffectModule.ts", use("effect/Effect")]
  ),
  floors(
    "a room that imports the package by name",
    ["src/store/ByName.ts", use("ostinato/core/Task")],
    ["src/apps/insights/ByName.ts", use("ostinato/core/Task")]
  ),
  floors(
    "export … from upwards",
    ["src/core/Export.ts", `export * as Database from "../store/Database.ts"\n`],
    ["src/store/Export.ts", `export * as Task from "../core/Task.ts"\n`]
  ),
  floors(
    "import() upwards",
    ["src/core/Lazy.ts", `export const lazy = () => import("../store/Database.ts")\n`],
    ["src/store/Lazy.ts", `export const lazy = () => import("../core/Task.ts")\n`]
  ),
  floors(
    "the URL of a module upwards",
    ["src/core/Url.ts", `export const url = new URL("../store/worker.ts", import.meta.url)\n`],
    ["src/core/UrlOwn.ts", `export const url = new URL("./internal/worker.ts", import.meta.url)\n`]
  ),
  floors(
    "an import of types upwards",
    ["src/core/Types.ts", useType("../store/Database.ts")],
    ["src/store/Types.ts", useType("../core/Task.ts")]
  ),
  floors(
    "a contract that imports its driver",
    ["src/jobs/JobStore.ts", use("./stores/Memory.ts")],
    ["src/jobs/stores/Postgres.ts", use("../JobStore.ts")]
  ),
  floors(
    "a broker imported by its contract",
    ["src/events/EventBroker.ts", useType("./brokers/Memory.ts")],
    ["src/events/brokers/Memory.ts", useType("../EventBroker.ts")]
  ),
  floors(
    "one app that imports another",
    ["src/apps/insights/Other.ts", use("../library/Catalog.ts")],
    ["src/apps/insights/Same.ts", use("./forge/Git.ts")]
  ),
  floors(
    "an app that imports a room by path",
    ["src/apps/insights/ByPath.ts", use("../../core/Task.ts")],
    ["src/cli/ByPath.ts", use("../core/Task.ts")]
  ),
  floors(
    "an app imported by name",
    ["src/cli/AppByName.ts", use("ostinato/apps/insights/App")],
    ["src/cli/AppByPath.ts", use("../apps/insights/App.ts")]
  ),
  floors(
    "a room that imports an app",
    ["src/service/App.ts", use("../apps/insights/App.ts")],
    ["src/service/NoApp.ts", use("./AppModule.ts")]
  ),
  floors(
    "a room that imports a test",
    ["src/core/FromTest.ts", use("../../test/core/bundle.ts")],
    ["test/core/FromSrc.ts", use("../../src/core/Task.ts")]
  ),
  floors(
    "a room that imports the test kit",
    ["src/service/Testing.ts", use("../testing/TestJobs.ts")],
    ["src/testing/TestEvents.ts", use("./TestJobs.ts")]
  ),
  floors(
    "a page that imports node:*",
    ["src/apps/insights/web/Node.ts", use("node:path")],
    ["src/apps/insights/web/Package.ts", use("effect/Schema")]
  ),
  floors(
    "a page that imports a platform package",
    ["src/dashboard/Platform.ts", useType("@effect/platform-node/NodeRuntime")],
    ["src/dashboard/Admin.ts", use("../service/AdminApi.ts")]
  ),
  floors(
    "the dashboard that imports a handler",
    ["src/dashboard/Handler.ts", use("../service/Handlers.ts")],
    ["src/dashboard/Own.ts", use("./Page.ts")]
  ),
  floors(
    "a page that imports its app's code",
    ["src/apps/insights/web/Code.ts", use("../Collector.ts")],
    ["src/apps/insights/web/Type.ts", useType("../Collector.ts")]
  ),
  floors(
    "a page that imports a room by name",
    ["src/apps/insights/web/Room.ts", use("ostinato/core/Task")],
    ["src/apps/insights/web/Admin.ts", use("ostinato/service/AdminApi")]
  ),
  floors(
    "a module that imports a page",
    ["src/apps/insights/Page.ts", use("./web/View.ts")],
    ["src/apps/insights/web/View.ts", use("./Chart.ts")]
  ),
  floors(
    "a root that exports more than core",
    ["src/index.ts", `export * as Database from "./store/Database.ts"\n`],
    ["src/core/index.ts", `export * as Task from "./Task.ts"\n`]
  ),
  floors(
    "a room without a floor",
    ["src/attic/Old.ts", use("../core/Task.ts")],
    ["src/files/New.ts", use("../core/Task.ts")]
  ),
  caught(
    "house(no-sync-io)",
    "S0.40: a blocking read in a room",
    ["src/store/Sync.ts", `import * as fs from "node:fs"\nexport const text = fs.readFileSync("a")\n`],
    ["src/cli/Sync.ts", `import * as fs from "node:fs"\nexport const text = fs.readFileSync("a")\n`]
  ),
  caught(
    "house(no-sync-io)",
    "S0.40: a blocking child process in an app",
    ["src/apps/insights/Sync.ts", `import { execSync } from "node:child_process"\nexport const run = execSync\n`],
    ["src/apps/insights/Async.ts", `import { execFile } from "node:child_process"\nexport const run = execFile\n`]
  ),
  caught(
    "house(no-sync-io)",
    "S0.40: a blocking call taken out of its module",
    ["src/core/Taken.ts", `import * as fs from "node:fs"\nexport const { statSync } = fs\n`],
    ["src/core/TakenAsync.ts", `import * as fs from "node:fs"\nexport const { promises } = fs\n`]
  ),
  caught(
    "house(no-unsupervised-fork)",
    "D.2: a detached fiber outside Drain",
    ["src/core/Detached.ts", effects + `export const fiber = Effect.forkDetach(Effect.never)\n`],
    ["src/core/Drain.ts", effects + `export const fiber = Effect.forkDetach(Effect.never)\n`]
  ),
  caught(
    "house(no-unsupervised-fork)",
    "D.2: runFork in a room",
    ["src/store/RunFork.ts", effects + `export const fiber = Effect.runFork(Effect.never)\n`],
    ["src/store/Scoped.ts", effects + `export const fiber = Effect.forkScoped(Effect.never)\n`]
  ),
  caught(
    "house(no-unbounded-queue)",
    "S3.44: Queue.unbounded",
    ["src/core/Unbounded.ts", effects + `export const queue = Queue.unbounded<number>()\n`],
    ["src/core/Bounded.ts", effects + `export const queue = Queue.bounded<number>(16)\n`]
  ),
  caught(
    "house(no-unbounded-queue)",
    "S3.44: PubSub.unbounded",
    ["src/core/PubSubUnbounded.ts", effects + `export const events = PubSub.unbounded<number>()\n`],
    ["src/core/PubSubSliding.ts", effects + `export const events = PubSub.sliding<number>(16)\n`]
  ),
  caught(
    "house(no-unbounded-queue)",
    "S3.44: Queue.make without a capacity",
    ["src/core/Make.ts", effects + `export const queue = Queue.make<number>({ strategy: "dropping" })\n`],
    ["src/core/MakeBounded.ts", effects + `export const queue = Queue.make<number>({ capacity: 16 })\n`]
  ),
  caught(
    "house(no-unbounded-queue)",
    "S3.44: a stream's buffer without a capacity",
    ["src/core/Buffer.ts", `export const options = { capacity: "unbounded" } as const\n`],
    ["src/core/BufferBounded.ts", `export const options = { capacity: 16 } as const\n`]
  ),
  caught(
    "house(no-mutex)",
    "S3.42: a semaphore of one as a lock",
    ["src/core/Locked.ts", effects + `export const lock = Semaphore.make(1)\n`],
    ["src/core/Permits.ts", effects + `export const permits = Semaphore.make(4)\n`]
  ),
  caught(
    "house(no-mutex)",
    "S3.42: a reference that locks itself",
    ["src/core/Synchronized.ts", effects + `export const state = SynchronizedRef.make(0)\n`],
    ["src/core/Plain.ts", effects + `export const state = Ref.make(0)\n`]
  ),
  caught(
    "house(no-is-retryable)",
    "the driver's own idea of what can be retried",
    ["src/store/Retry.ts", `export const again = (error: { readonly isRetryable: boolean }) => error.isRetryable\n`],
    ["src/store/Classify.ts", `export const again = (error: { readonly code: string }) => error.code === "57P01"\n`]
  ),
  caught(
    "house(no-ignored-result)",
    "D.3: a Result that nobody looks at",
    [
      "src/core/Ignored.ts",
      effects + `export const go = (pool: { trySubmit: () => unknown }) => {\n  pool.trySubmit()\n}\n`
    ],
    ["src/core/Looked.ts", effects + `export const go = (pool: { trySubmit: () => unknown }) => pool.trySubmit()\n`]
  ),
  caught(
    "house(no-ignored-result)",
    "D.3: a timetable that may be none",
    [
      "src/schedule/Unread.ts",
      `import * as Timetable from "./Timetable.ts"\nexport const go = () => {\n  Timetable.cron("soon")\n}\n`
    ],
    [
      "src/schedule/Read.ts",
      `import * as Timetable from "./Timetable.ts"\nexport const go = () => Timetable.cron("soon")\n`
    ]
  ),
  caught(
    "house(no-ignored-result)",
    "D.3: a yielded Result that nobody looks at",
    [
      "src/core/Yielded.ts",
      effects + `export const go = Effect.gen(function*() {\n  yield* Effect.result(Effect.fail("no"))\n})\n`
    ],
    [
      "src/core/YieldedUsed.ts",
      effects + `export const go = Effect.gen(function*() {\n  return yield* Effect.result(Effect.fail("no"))\n})\n`
    ]
  ),
  caught(
    "house(no-clock-bypass)",
    "Date.now in a plain function",
    ["src/core/Now.ts", `export const now = () => Date.now()\n`],
    ["src/core/Clock.ts", use("effect/Clock")]
  ),
  caught(
    "house(no-clock-bypass)",
    "new Date() in a plain function",
    ["src/core/NewDate.ts", `export const now = () => new Date()\n`],
    ["src/core/OldDate.ts", `export const at = (millis: number) => new Date(millis)\n`]
  ),
  caught(
    "house(no-clock-bypass)",
    "a timer in a room",
    ["src/core/Timer.ts", `export const later = (go: () => void) => setTimeout(go, 10)\n`],
    ["src/core/internal/worker.ts", `export const later = (go: () => void) => setTimeout(go, 10)\n`]
  ),
  caught(
    "house(no-clock-bypass)",
    "chance in a room",
    ["src/core/Chance.ts", `export const chance = () => Math.random()\n`],
    ["src/dashboard/Chance.ts", `export const chance = () => Math.random()\n`]
  ),
  caught(
    "house(no-clock-bypass)",
    "the environment in a room",
    ["src/store/Env.ts", `export const url = () => process.env["DATABASE_URL"]\n`],
    ["src/store/Pid.ts", `export const pid = () => process.pid\n`]
  ),
  caught(
    "import(no-cycle)",
    "two modules that import each other",
    ["src/core/One.ts", use("./Two.ts")],
    ["src/core/Three.ts", use("./One.ts")]
  ),
  caught(
    "import(no-self-import)",
    "a module that imports itself",
    ["src/core/Self.ts", use("./Self.ts")],
    ["src/core/NotSelf.ts", use("./Three.ts")]
  ),
  caught(
    "import(no-duplicates)",
    "one module imported twice",
    [
      "src/core/Twice.ts",
      `import { one } from "./Both.ts"\nimport { two } from "./Both.ts"\nexport const both = [one, two]\n`
    ],
    ["src/core/Once.ts", `import { one, two } from "./Both.ts"\nexport const both = [one, two]\n`]
  ),
  caught(
    "eslint(max-lines)",
    "a file of 401 code lines",
    ["src/core/Long.ts", lines(401)],
    ["src/core/Commented.ts", lines(400) + "// a reason\n\n".repeat(9)]
  ),
  caught(
    "eslint(no-console)",
    "console in a room",
    ["src/core/Console.ts", `export const say = () => console.log("here")\n`],
    ["scripts/console.ts", `export const say = () => console.log("here")\n`]
  ),
  caught(
    "typescript(no-explicit-any)",
    "any",
    ["src/core/Any.ts", `export const any = (value: any): unknown => value\n`],
    ["src/core/Unknown.ts", `export const any = (value: unknown): unknown => value\n`]
  ),
  caught(
    "typescript(no-non-null-assertion)",
    "an exclamation mark",
    ["src/core/Bang.ts", `export const bang = (value: string | undefined): string => value!\n`],
    ["test/core/bang.ts", `export const bang = (value: string | undefined): string => value!\n`]
  ),
  caught(
    "typescript(no-floating-promises)",
    "a promise that nobody awaits, seen by its type",
    ["src/core/Floating.ts", `const go = () => Promise.resolve(1)\nexport const start = () => {\n  go()\n}\n`],
    ["src/core/Returned.ts", `const go = () => Promise.resolve(1)\nexport const start = () => go()\n`]
  ),
  caught(
    "typescript(array-type)",
    "an array type with brackets",
    ["src/core/Brackets.ts", `export const list: readonly string[] = []\n`],
    ["src/core/Generic.ts", `export const list: ReadonlyArray<string> = []\n`]
  ),
  caught(
    "typescript(consistent-type-imports)",
    "a type imported as a value",
    [
      "src/core/AsValue.ts",
      `import { Effect } from "effect/Effect"\nexport const of = (effect: Effect<number>) => effect\n`
    ],
    [
      "src/core/AsType.ts",
      `import { type Effect } from "effect/Effect"\nexport const of = (effect: Effect<number>) => effect\n`
    ]
  ),
  caught(
    "unicorn(no-abusive-eslint-disable)",
    "a disable comment for every rule",
    ["src/core/Abusive.ts", `/* eslint-disable */\nexport const list: string[] = []\n`],
    [
      "src/core/Named.ts",
      `// oxlint-disable-next-line typescript/array-type -- the shape that the driver prints\n` +
      `export const list: string[] = []\n`
    ]
  )
]

const support = {
  "src/core/Two.ts": use("./One.ts"),
  "src/core/Both.ts": "export const one = 1\nexport const two = 2\n"
}

interface Finding {
  readonly code: string
  readonly filename: string
}

let findings: ReadonlyArray<Finding> = []

beforeAll(() => {
  const files = Object.fromEntries(cases.flatMap(({ bad, good }) => [bad, good]))
  assert.strictEqual(Object.keys(files).length, cases.length * 2, "two cases share a path")
  const folder = plant({ ...files, ...support }, [".oxlintrc.json", "scripts/lint", "tsconfig.json", "package.json"])
  const { status, stdout } = run(folder, "oxlint", "--format=json")
  findings = JSON.parse(stdout).diagnostics
  assert.strictEqual(status, 1)
})

const codes = (path: string) => findings.filter(({ filename }) => filename === path).map(({ code }) => code)

describe("lint", () => {
  for (const { bad, fact, good, rule } of cases) {
    it(`${rule} catches ${fact}, and not its correct twin`, () => {
      assert.include(codes(bad[0]), rule)
      assert.notInclude(codes(good[0]), rule)
    })
  }

  it("says what is wrong in a correct file nowhere", () => {
    const twins = new Set(cases.map(({ good }) => good[0]))
    assert.deepStrictEqual(findings.filter(({ filename }) => twins.has(filename)), [])
  })
})
