/**
 * What the service is told from outside: environment variables, read once, all problems reported together.
 *
 * A value that is not valid never becomes a default in silence: it is named with what it should be, and nothing starts.
 */
import * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as LogLevel from "effect/LogLevel"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Timetable from "../schedule/Timetable.ts"

/**
 * One or more values are not valid. Nothing was started.
 *
 * @category errors
 */
export class ConfigInvalid extends Schema.TaggedError<ConfigInvalid>()("ConfigInvalid", {
  /** One sentence per value: which variable, which value, what it should be. Secrets are never shown. */
  problems: Schema.Array(Schema.String)
}) {
  override get message() {
    return this.problems.join("\n")
  }
}

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
  /** `OSTINATO_DATA_DIR`: where the service keeps its own files. Defaults to `.ostinato`. */
  readonly directory: string
  /** `OSTINATO_REPOSITORY`: the clone that Insights looks at. Defaults to the directory the service was started in. */
  readonly repository: string
  /** `TASK_SCHEDULER_INTERVAL`. Defaults to `2 weeks`. */
  readonly interval: Timetable.Timetable
  /** `TASK_SCHEDULER_ENABLED`. Defaults to `true`. */
  readonly schedulerEnabled: boolean
  /** `OSTINATO_DRAIN_TIMEOUT`: how long work in flight may go on after a stop was asked for. Defaults to `25 seconds`. */
  readonly drain: Duration.Duration
  /** `LOG_LEVEL`. Defaults to `info`. */
  readonly logLevel: LogLevel.LogLevel
  /** `LOG_FORMAT`. Defaults to `auto`: pretty on a terminal, else json. */
  readonly logFormat: "auto" | "pretty" | "json" | "logfmt"
}>()("ostinato/service/ServiceConfig") {}

type Read<A> = Result.Result<A, string>

const variable = (
  name: string,
  ...aliases: ReadonlyArray<string>
): Effect.Effect<{ name: string; value: string } | undefined> =>
  Effect.gen(function*() {
    for (const key of [name, ...aliases]) {
      const found = yield* Effect.orElseSucceed(Config.option(Config.String(key)), () => Option.none<string>())
      if (Option.isSome(found) && found.value.trim() !== "") return { name: key, value: found.value.trim() }
      // set but empty is a slip where only a value makes sense, and unset elsewhere
      if (Option.isSome(found) && strict.has(key)) return { name: key, value: "" }
    }
    return undefined
  })

const strict = new Set(["TASK_SCHEDULER_INTERVAL"])

const setting = <A>(
  names: readonly [string, ...ReadonlyArray<string>],
  fallback: A,
  parse: (text: string) => Read<A>
): Effect.Effect<Read<A>> =>
  Effect.map(variable(...names), (found) =>
    found === undefined
      ? Result.succeed(fallback)
      : Result.mapError(parse(found.value), (problem) => `${found.name}: ${problem}`))

const port = (text: string): Read<number> =>
  /^\d{1,5}$/.test(text) && Number(text) <= 65_535
    ? Result.succeed(Number(text))
    : Result.fail(`"${text}" is no port: write a whole number from 0 to 65535`)

const boolean = (text: string): Read<boolean> =>
  /^(true|1|yes|on)$/i.test(text)
    ? Result.succeed(true)
    : /^(false|0|no|off)$/i.test(text)
    ? Result.succeed(false)
    : Result.fail(`"${text}" is neither true nor false`)

const interval = (text: string): Read<Timetable.Timetable> =>
  Result.mapError(Timetable.parse(text), (error) => error.message)

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

const formats = { auto: "auto", pretty: "pretty", json: "json", logfmt: "logfmt" } as const

const text = (value: string): Read<string> => Result.succeed(value)

/**
 * Reads and checks everything.
 *
 * @category constructors
 */
export const load: Effect.Effect<ServiceConfig["Service"], ConfigInvalid> = Effect.gen(function*() {
  const read = yield* Effect.all({
    host: setting(["OSTINATO_HOST"], "127.0.0.1", loopback),
    port: setting(["OSTINATO_PORT", "PORT"], 7070, port),
    databaseUrl: setting<Redacted.Redacted | undefined>(["DATABASE_URL"], undefined, postgresUrl),
    directory: setting(["OSTINATO_DATA_DIR"], ".ostinato", text),
    repository: setting(["OSTINATO_REPOSITORY"], ".", text),
    interval: setting(["TASK_SCHEDULER_INTERVAL"], Timetable.every("2 weeks"), interval),
    schedulerEnabled: setting(["TASK_SCHEDULER_ENABLED"], true, boolean),
    drain: setting(
      ["OSTINATO_DRAIN_TIMEOUT"],
      Duration.seconds(25),
      (value) => Result.map(interval(value), (timetable) => Duration.millis(timetable.everyMs))
    ),
    logLevel: setting<LogLevel.LogLevel>(["LOG_LEVEL"], "Info", oneOf(levels)),
    logFormat: setting<ServiceConfig["Service"]["logFormat"]>(["LOG_FORMAT"], "auto", oneOf(formats))
  })
  const problems = Object.values<Read<unknown>>(read).flatMap((value) => Result.isFailure(value) ? [value.failure] : [])
  if (problems.length > 0) return yield* new ConfigInvalid({ problems })
  return yield* Effect.orDie(Effect.fromResult(Result.all(read)))
})

/**
 * @category layers
 */
export const layer: Layer.Layer<ServiceConfig, ConfigInvalid> = Layer.effect(ServiceConfig, load)
