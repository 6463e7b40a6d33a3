/**
 * What every command is told from outside: the settings of the service and of the application, and with them the log.
 */
import * as ConfigProvider from "effect/ConfigProvider"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as ServiceConfig from "ostinato/service/ServiceConfig"
import * as Setting from "ostinato/service/Setting"
import * as InsightsConfig from "../apps/insights/InsightsConfig.ts"
import * as Logging from "./Logging.ts"

// one look at the environment, so that one start tells every problem of the service and of the application
const Settings = Layer.effectContext(
  Effect.map(
    Setting.load(Setting.struct({ service: ServiceConfig.setting, insights: InsightsConfig.setting })),
    ({ insights, service }) =>
      Context.make(ServiceConfig.ServiceConfig, service).pipe(Context.add(InsightsConfig.InsightsConfig, insights))
  )
)

/** Results of commands are wired to what they print; the configuration is read once for both. */
export const configured = Layer.provideMerge(Logging.layer, Settings).pipe(
  // a variable that is set but empty may be a slip, which is for the configuration to judge
  Layer.provide(ConfigProvider.layer(ConfigProvider.fromEnv({ preserveEmptyStrings: true })))
)
