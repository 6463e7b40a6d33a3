/** The API of runs, schedules, jobs, queues and requests without a port: what answers requests to it. */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as Layer from "effect/Layer"
import type { RunLog } from "ostinato"
import * as RequestRegistry from "ostinato/http/RequestRegistry"
import type { JobStore } from "ostinato/jobs/JobStore"
import type { ScheduleStore } from "ostinato/schedule/ScheduleStore"
import * as AdminHandlers from "ostinato/service/AdminHandlers"
import * as AllowedMethods from "ostinato/service/AllowedMethods"
import type * as AppModule from "ostinato/service/AppModule"
import * as InvalidRequest from "ostinato/service/InvalidRequest"
import * as ProblemAnswers from "ostinato/service/ProblemAnswers"

/** On the stores of the context, for tasks that may be enqueued by name. */
export const make = Effect.fnUntraced(function*(tasks: ReadonlyArray<AppModule.Enqueueable>) {
  const context = yield* Effect.context<JobStore | RunLog.RunLog | ScheduleStore>()
  const routes = AdminHandlers.layer(tasks).pipe(
    Layer.provide([InvalidRequest.layer, RequestRegistry.layer(), Layer.succeedContext(context)]),
    Layer.provide(ProblemAnswers.layer),
    Layer.provide([AllowedMethods.layer, NodeHttpServer.layerHttpServices])
  )
  const { dispose, handler } = HttpRouter.toWebHandler(routes, {
    disableLogger: true,
    routerConfig: AllowedMethods.routerConfig
  })
  yield* Effect.addFinalizer(() => Effect.promise(dispose))
  return (request: Request) => handler(request)
})
