/**
 * What Insights is told from outside: the environment variables that are its own.
 */
import * as Context from "effect/Context"
import * as Result from "effect/Result"
import * as Setting from "ostinato/service/Setting"

/** The settings of Insights. */
export class InsightsConfig extends Context.Service<InsightsConfig, {
  /** `OSTINATO_REPOSITORY`: path of a local clone. Defaults to the directory the process was started in. */
  readonly repository: string
}>()("ostinato/apps/insights/InsightsConfig") {}

// a URL may carry a password, so it is not shown
const clone: Setting.Parse<string> = (text) =>
  /^[a-z][a-z0-9+.-]*:\/\//i.test(text)
    ? Result.fail(
      "is a URL, and only a local clone is read: run \"git clone\" and give the path (the value is not shown here)"
    )
    : Result.succeed(text)

/** Every variable of Insights, to be read together with those of the service. */
export const setting: Setting.Setting<InsightsConfig["Service"]> = Setting.struct<InsightsConfig["Service"]>({
  repository: Setting.make(["OSTINATO_REPOSITORY"], { default: ".", parse: clone })
})
