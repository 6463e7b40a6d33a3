import { assert, describe, it } from "@effect/vitest"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { inspect } from "node:util"
import * as Timetable from "ostinato/schedule/Timetable"
import * as ServiceConfig from "ostinato/service/ServiceConfig"
import * as Setting from "ostinato/service/Setting"
import * as InsightsConfig from "../../src/apps/insights/InsightsConfig.ts"

const load = (env: Record<string, string>) =>
  Effect.provide(
    ServiceConfig.load,
    ConfigProvider.layer(ConfigProvider.fromEnvRecord(env, { preserveEmptyStrings: true }))
  )

const problems = (env: Record<string, string>) => Effect.map(Effect.flip(load(env)), (error) => error.problems)

describe("ServiceConfig", () => {
  it.effect("S1.1 has a default for everything, a fortnight among them", () =>
    Effect.gen(function*() {
      const config = yield* load({})
      assert.deepStrictEqual(
        [config.host, config.port, config.directory, config.databaseUrl],
        ["127.0.0.1", 7070, ".ostinato", undefined]
      )
      assert.strictEqual(config.schema, "ostinato")
      assert.deepStrictEqual(config.interval, Timetable.every("2 weeks"))
      assert.strictEqual(Duration.toSeconds(config.drain), 25)
      assert.deepStrictEqual([config.schedulerEnabled, config.logLevel, config.logFormat], [true, "Info", "auto"])
    }))

  it.effect("does all of the work on the queues of its application, unless OSTINATO_ROLE and OSTINATO_QUEUES say otherwise", () =>
    Effect.gen(function*() {
      const { queues, role } = yield* load({})
      assert.deepStrictEqual([role, queues], ["all", undefined])
      const other = yield* load({
        OSTINATO_ROLE: "Worker",
        OSTINATO_QUEUES: " sync=2, insights:/srv/score=10 ,__proto__=1"
      })
      assert.strictEqual(other.role, "worker")
      assert.deepStrictEqual(Object.entries(other.queues ?? {}), [["sync", 2], ["insights:/srv/score", 10], [
        "__proto__",
        1
      ]])
    }))

  const tooLong = `${"q".repeat(129)}=2`
  for (
    const value of [
      "",
      " ",
      "sync",
      "sync=0",
      "sync=10001",
      "sync=two",
      "=2",
      "a b=2",
      "sync=2,sync=3",
      "sync=2,",
      tooLong
    ]
  ) {
    it.effect(`names OSTINATO_QUEUES=${value} and what it should be`, () =>
      Effect.map(problems({ OSTINATO_QUEUES: value }), ([problem = ""]) => {
        assert.match(problem, /^OSTINATO_QUEUES: .*: write each/)
      }))
  }

  it.effect("names a role that is none", () =>
    Effect.map(
      problems({ OSTINATO_ROLE: "boss" }),
      (all) => assert.deepStrictEqual(all, [`OSTINATO_ROLE: "boss" is none of all, api, worker, scheduler`])
    ))

  it.effect("takes OSTINATO_PORT before PORT", () =>
    Effect.gen(function*() {
      assert.strictEqual((yield* load({ PORT: "1" })).port, 1)
      assert.strictEqual((yield* load({ OSTINATO_PORT: "2", PORT: "1" })).port, 2)
    }))

  it.effect("D.5 takes the schema of its tables from OSTINATO_SCHEMA", () =>
    Effect.map(load({ OSTINATO_SCHEMA: " shop_2 " }), ({ schema }) => assert.strictEqual(schema, "shop_2")))

  const timetables: ReadonlyArray<readonly [text: string, timetable: Timetable.Timetable]> = [
    ["300", Timetable.every("5 minutes")],
    ["5 minutes", Timetable.every("5 minutes")],
    ["10", Timetable.every("10 seconds")],
    ["P14D", Timetable.every("2 weeks")],
    ["0 2 * * * Europe/Berlin", Timetable.cronUnsafe("0 2 * * *", { timeZone: "Europe/Berlin" })],
    ["CRON_TZ=Asia/Tokyo 30 4 * * 1", Timetable.cronUnsafe("30 4 * * 1", { timeZone: "Asia/Tokyo" })],
    ["1 hour after each run", Timetable.spaced("1 hour")]
  ]
  for (const [value, timetable] of timetables) {
    it.effect(`S1.12 S1.16 reads TASK_SCHEDULER_INTERVAL=${value}`, () =>
      Effect.map(
        load({ TASK_SCHEDULER_INTERVAL: value }),
        ({ interval }) => assert.deepStrictEqual(interval, timetable)
      ))
  }

  for (
    const [value, millis] of [
      ["0", 0],
      ["0 seconds", 0],
      ["PT0S", 0],
      ["1", 1000],
      ["250 milliseconds", 250],
      ["2 minutes", 120_000],
      ["PT1H", 3_600_000]
    ] as const
  ) {
    it.effect(`reads OSTINATO_DRAIN_TIMEOUT=${value}`, () =>
      Effect.map(
        load({ OSTINATO_DRAIN_TIMEOUT: value }),
        ({ drain }) => assert.strictEqual(Duration.toMillis(drain), millis)
      ))
  }

  for (
    const [value, says] of [
      ["999 milliseconds", "is too short: write 1 second or more"],
      ["PT0.5S", "is too short: write 1 second or more"],
      ["999 milliseconds after each run", "is too short: write 1 second or more"],
      ["36526 days", "is too long: write 100 years (36525 days) or less"],
      ["999999999999", "is too long"]
    ] as const
  ) {
    it.effect(`refuses TASK_SCHEDULER_INTERVAL=${value}, because it ${says.slice(0, 11)}`, () =>
      Effect.gen(function*() {
        const [problem] = yield* problems({ TASK_SCHEDULER_INTERVAL: value })
        assert.isTrue(problem?.startsWith(`TASK_SCHEDULER_INTERVAL: "${value}" ${says}`), problem)
      }))
  }

  it.effect("takes an interval of 1 second and of 100 years", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(
        (yield* load({ TASK_SCHEDULER_INTERVAL: "1 second" })).interval,
        Timetable.every("1 second")
      )
      const longest = yield* load({ TASK_SCHEDULER_INTERVAL: "36525 days" })
      assert.deepStrictEqual(longest.interval, Timetable.every("36525 days"))
    }))

  const wrong: ReadonlyArray<readonly [name: string, value: string]> = [
    ["OSTINATO_PORT", "65536"],
    ["OSTINATO_PORT", "-1"],
    ["OSTINATO_PORT", "80a"],
    ["PORT", "1e3"],
    ["OSTINATO_HOST", "0.0.0.0"],
    ["OSTINATO_HOST", "example.org"],
    ["OSTINATO_SCHEMA", "Shop"],
    ["OSTINATO_SCHEMA", "pg_shop"],
    ["OSTINATO_SCHEMA", `a"; DROP SCHEMA b`],
    ["TASK_SCHEDULER_ENABLED", "perhaps"],
    ["TASK_SCHEDULER_INTERVAL", ""],
    ["OSTINATO_DRAIN_TIMEOUT", "soon"],
    ["OSTINATO_DRAIN_TIMEOUT", "-1"],
    ["OSTINATO_DRAIN_TIMEOUT", "3601"],
    ["LOG_LEVEL", "loud"],
    ["LOG_FORMAT", "xml"],
    ["DATABASE_URL", "mysql://root:hunter2@localhost/x"]
  ]
  for (const [name, value] of wrong) {
    it.effect(`refuses ${name}=${value}, by its name`, () =>
      Effect.gen(function*() {
        const [problem, ...others] = yield* problems({ [name]: value })
        assert.deepStrictEqual(others, [])
        assert.isTrue(problem?.startsWith(`${name}: `), problem)
        assert.notInclude(problem, "hunter2")
      }))
  }

  it.effect("tells all problems together", () =>
    Effect.gen(function*() {
      const told = yield* problems(Object.fromEntries([...wrong].reverse()))
      assert.strictEqual(told.length, 9)
    }))

  it.effect("tells problems of an application together with its own", () =>
    Effect.gen(function*() {
      const setting = Setting.struct({ service: ServiceConfig.setting, insights: InsightsConfig.setting })
      const env = { LOG_LEVEL: "loud", OSTINATO_PORT: "x", OSTINATO_REPOSITORY: "https://me:hunter2@example.org/x.git" }
      const error = yield* Effect.flip(Effect.provide(
        Setting.load(setting),
        ConfigProvider.layer(ConfigProvider.fromEnvRecord(env, { preserveEmptyStrings: true }))
      ))
      assert.deepStrictEqual(
        error.problems.map((problem) => /^\w+/.exec(problem)?.[0]),
        ["OSTINATO_PORT", "LOG_LEVEL", "OSTINATO_REPOSITORY"]
      )
      assert.notInclude(error.message, "hunter2")
    }))

  it.effect("keeps a database URL out of sight", () =>
    Effect.gen(function*() {
      const config = yield* load({ DATABASE_URL: "postgres://app:hunter2@db/app" })
      assert.notInclude(inspect(config, { depth: 9 }), "hunter2")
      assert.strictEqual(
        config.databaseUrl === undefined ? "" : Redacted.value(config.databaseUrl),
        "postgres://app:hunter2@db/app"
      )
    }))
})
