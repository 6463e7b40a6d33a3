/**
 * The application on its database, for commands: as the service has it, and without needing a service.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redaction from "ostinato/service/Redaction"
import * as Service from "ostinato/service/Service"
import { ServiceConfig } from "ostinato/service/ServiceConfig"
import * as Insights from "../apps/insights/Insights.ts"
import { InsightsConfig } from "../apps/insights/InsightsConfig.ts"

/** The application, as the environment sets it up. */
export const load = Effect.gen(function*() {
  const { directory, interval: timetable } = yield* ServiceConfig
  return yield* Insights.make({ ...yield* InsightsConfig, directory, timetable })
})

/** Runs a command with all that the application has, on its database; an embedded one that runs is joined. */
export const on = <A, E, R>(app: Effect.Success<typeof load>, command: Effect.Effect<A, E, R>) =>
  Effect.scoped(Effect.flatMap(
    Layer.build(Service.layerApp(app, { join: true })),
    (context) =>
      Effect.provideService(
        Effect.provideContext(command, context),
        Redaction.Redaction,
        Redaction.of(app.jobs.tasks.map(({ task }) => task))
      )
  ))
