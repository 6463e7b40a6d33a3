/**
 * What the service is told from outside: environment variables, read once, all problems reported together.
 *
 * A value that is not valid never becomes a default in silence: it is named with what it should be, and nothing starts.
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as LogLevel from "effect/LogLevel"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as DurationText from "../core/DurationText.ts"
import * as Timetable from "../schedule/Timetable.ts"
import * as DatabaseSchema from "../store/DatabaseSchema.ts"
import * as QueueList from "./QueueList.ts"
import * as Setting from "./Setting.ts"

/**
 * What a process does of the whole: runs jobs, fires schedules, answers the API and shows the page, or all of it. Health and
 * metrics are answered in every role.
 *
 * @category models
 */
export const Role = Schema.Literals(["all", "api", "worker", "scheduler"])

/**
 * @category models
 */
export type Role = typeof Role.Type

/**
 * @category services
 */
export class ServiceConfig extends Context.Service<ServiceConfig, {
  /** `OSTINATO_HOST`. Defaults to `127.0.0.1`; only loopback is accepted while the API has no credentials. */
  readonly host: string
  /** `OSTINATO_PORT`, else `PORT`. Defaults to `7070`; `0` takes any free port. */
  readonly port: number
  /** `DATABASE_URL`. Defaults to an embedded Postgres below `directory`. */
  readonly databaseUrl: Redacted.Redacted | undefined
  /**
   * `OSTINATO_SCHEMA`: the database schema of the service's own tables. Services with different ones share a database and
   * do not see each other's runs and schedules. Defaults to `ostinato`.
   */
  readonly schema: string
  /** `OSTINATO_DATA_DIR`: where the service keeps its own files. Defaults to `.ostinato`. */
  readonly directory: string
  /**
   * `TASK_SCHEDULER_INTERVAL`: when an application's schedules are due, as `Timetable.parse` reads it; intervals from
   * 1 second to 100 years. Defaults to `2 weeks`.
   */
  readonly interval: Timetable.Timetable
  /** `TASK_SCHEDULER_ENABLED`. Defaults to `true`. */
  readonly schedulerEnabled: boolean
  /** `OSTINATO_ROLE`. Defaults to `all`. */
  readonly role: Role
  /**
   * `OSTINATO_QUEUES`: the only queues that this process works on, each with the number of jobs that may run at once here, e.g.
   * `sync=2,mail=10`. Unset: those of the application; empty is refused.
   */
  readonly queues: QueueList.QueueList | undefined
  /**
   * `OSTINATO_DRAIN_TIMEOUT`: how long work in flight may go on after a stop was asked for; from 0 to 1 hour. Defaults to
   * `25 seconds`.
   */
  readonly drain: Duration.Duration
  /** `LOG_LEVEL`. Defaults to `info`. */
  readonly logLevel: LogLevel.LogLevel
  /** `LOG_FORMAT`. Defaults to `auto`: pretty on a terminal, else json. */
  readonly logFormat: "auto" | "pretty" | "json" | "logfmt"
}>()("ostinato/service/ServiceConfig") {}

/**
 * Every variable of the service, to be read together with those of an application.
 *
 * @category constructors
 */
export const setting: Setting.Setting<ServiceConfig["Service"]> = Effect.suspend(() =>
  Setting.struct<ServiceConfig["Service"]>({
    host: Setting.make(["OSTINATO_HOST"], { default: "127.0.0.1", parse: loopback }),
    port: Setting.make(["OSTINATO_PORT", "PORT"], { default: 7070, parse: port }),
    databaseUrl: Setting.make(["DATABASE_URL"], { default: undefined, parse: postgresUrl }),
    schema,
    directory: Setting.make(["OSTINATO_DATA_DIR"], { default: ".ostinato", parse: Setting.text }),
    interval: Setting.make(["TASK_SCHEDULER_INTERVAL"], {
      default: Timetable.every("2 weeks"),
      parse: interval,
      emptyIsUnset: false
    }),
    schedulerEnabled: Setting.make(["TASK_SCHEDULER_ENABLED"], { default: true, parse: Setting.flag }),
    role: Setting.make<Role>(["OSTINATO_ROLE"], { default: "all", parse: oneOf(roles) }),
    queues: Setting.make<QueueList.QueueList | undefined>(["OSTINATO_QUEUES"], {
      default: undefined,
      parse: QueueList.parse,
      emptyIsUnset: false
    }),
    drain: Setting.make(["OSTINATO_DRAIN_TIMEOUT"], { default: Duration.seconds(25), parse: duration }),
    logLevel: Setting.make(["LOG_LEVEL"], { default: "Info", parse: oneOf(levels) }),
    logFormat: Setting.make(["LOG_FORMAT"], { default: "auto", parse: oneOf(formats) })
  })
)

/**
 * Reads and checks everything.
 *
 * @category constructors
 */
export const load: Effect.Effect<ServiceConfig["Service"], Setting.ConfigInvalid> = Setting.load(setting)

/**
 * @category layers
 */
export const layer: Layer.Layer<ServiceConfig, Setting.ConfigInvalid> = Layer.effect(ServiceConfig, load)

const schema: Setting.Setting<string> = Effect.gen(function*() {
  const name = yield* Setting.make(["OSTINATO_SCHEMA"], { default: "ostinato", parse: Setting.text })
  if (Result.isFailure(name)) return name
  const checked = yield* Effect.result(DatabaseSchema.check(name.success))
  return Result.mapError(checked, (error) => [`OSTINATO_SCHEMA: ${error.message}`])
})

type Read<A> = Result.Result<A, string>

const port = (text: string): Read<number> =>
  /^\d{1,5}$/.test(text) && Number(text) <= 65_535
    ? Result.succeed(Number(text))
    : Result.fail(`"${text}" is no port: write a whole number from 0 to 65535`)

const year = 365.25 * 86_400_000

const interval = (text: string): Read<Timetable.Timetable> =>
  Result.flatMap(
    Result.mapError(Timetable.parse(text), (error) => error.message),
    (timetable) => {
      const millis = timetable._tag === "Every"
        ? timetable.everyMs
        : timetable._tag === "Spaced"
        ? timetable.delayMs
        : 1000
      return millis < 1000
        ? Result.fail(`"${text}" is too short: write 1 second or more`)
        : millis > 100 * year
        ? Result.fail(`"${text}" is too long: write 100 years (36525 days) or less`)
        : Result.succeed(timetable)
    }
  )

const duration = (text: string): Read<Duration.Duration> => {
  const millis = /^\d{1,12}$/.test(text) ? Result.succeed(Number(text) * 1000) : DurationText.parse(text)
  return Result.isSuccess(millis) && millis.success <= 3_600_000
    ? Result.succeed(Duration.millis(millis.success))
    : Result.fail(
      `"${text}" is no time from 0 to 1 hour: write seconds (25), words (25s, "25 seconds", 2m) or ISO-8601 (PT25S)`
    )
}

const loopback = (text: string): Read<string> =>
  /^(localhost|127(\.\d{1,3}){3}|::1)$/.test(text)
    ? Result.succeed(text)
    : Result.fail(
      `"${text}" is not a loopback address: the API has no credentials yet, so it is not exposed. Use 127.0.0.1 and a tunnel or an authenticating proxy`
    )

const postgresUrl = (text: string): Read<Redacted.Redacted | undefined> =>
  /^postgres(ql)?:\/\//.test(text) && URL.canParse(text)
    ? Result.succeed(Redacted.make(text))
    : Result.fail("is no Postgres URL: write postgres://user:password@host:5432/database (the value is not shown here)")

const oneOf = <A>(choices: Record<string, A>) => (text: string): Read<A> => {
  const found = choices[text.toLowerCase()]
  return found === undefined
    ? Result.fail(`"${text}" is none of ${Object.keys(choices).join(", ")}`)
    : Result.succeed(found)
}

const levels: Record<string, LogLevel.LogLevel> = {
  trace: "Trace",
  debug: "Debug",
  info: "Info",
  warn: "Warn",
  error: "Error",
  fatal: "Fatal",
  none: "None"
}

const roles = { all: "all", api: "api", worker: "worker", scheduler: "scheduler" } as const

const formats = { auto: "auto", pretty: "pretty", json: "json", logfmt: "logfmt" } as const
