/**
 * What Insights is told from outside: the environment variables that are its own.
 */
import * as Context from "effect/Context"
import * as Result from "effect/Result"
import * as Setting from "ostinato/service/Setting"
import * as RepositorySource from "./RepositorySource.ts"

/** The settings of Insights. */
export class InsightsConfig extends Context.Service<InsightsConfig, {
  /**
   * `OSTINATO_REPOSITORY`: a path, a URL, or a directory that holds clones; several are separated by a comma and a space.
   * Defaults to the directory the process was started in.
   */
  readonly repositories: ReadonlyArray<string>
  /**
   * `OSTINATO_DAILY`: whether the gauges of every repository are taken each day, besides what `TASK_SCHEDULER_INTERVAL` asks
   * for. Defaults to `true`.
   */
  readonly daily: boolean
}>()("ostinato/apps/insights/InsightsConfig") {}

const sources: Setting.Parse<ReadonlyArray<string>> = (text) => {
  const parts = text.split(/,\s+|\n/).map((part) => part.trim()).filter((part) => part !== "")
  // a URL may carry a password, so it is not shown
  const refused = parts.map(RepositorySource.parse).find(Result.isFailure)
  return refused === undefined
    ? Result.succeed(parts)
    : Result.fail(`${refused.failure.detail} (the value is not shown here)`)
}

/** Every variable of Insights, to be read together with those of the service. */
export const setting: Setting.Setting<InsightsConfig["Service"]> = Setting.struct<InsightsConfig["Service"]>({
  repositories: Setting.make(["OSTINATO_REPOSITORY"], { default: ["."], parse: sources }),
  daily: Setting.make(["OSTINATO_DAILY"], { default: true, parse: Setting.flag })
})
