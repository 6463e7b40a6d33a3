/**
 * Whether the service lives and whether it can take work, for whoever operates it.
 *
 * `/livez` answers while the process turns, whatever the database does. `/readyz` is 200 only when the database
 * answers, no supervised fiber fails again and again, its scheduler and its worker have begun and the service is not
 * draining; otherwise 503.
 * Both say why. The database is asked on the connections of the house: a pool that user code has filled is not taken for
 * an outage. A scheduler that is disabled, and a worker that this process has not, are told as such, and are ready.
 */
import * as Effect from "effect/Effect"
import * as HttpMiddleware from "effect/http/HttpMiddleware"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import { Supervisor } from "../core/Supervisor.ts"
import { TaskScheduler } from "../schedule/TaskScheduler.ts"
import { ControlSql } from "../store/ControlSql.ts"
import { CurrentWorker } from "./CurrentWorker.ts"
import { ServiceConfig } from "./ServiceConfig.ts"

// failures in a row after which a fiber counts as broken, though it goes on being restarted
const tolerated = 5

type Check = { readonly name: string; readonly ok: boolean; readonly detail: string }

const checks = Effect.gen(function*() {
  const sql = yield* ControlSql
  const supervisor = yield* Supervisor
  const scheduler = yield* TaskScheduler
  const database: Check = yield* sql`SELECT 1`.pipe(
    Effect.timeout("2 seconds"),
    Effect.match({
      onSuccess: () => ({ name: "database", ok: true, detail: "answers" }),
      onFailure: (error) => ({ name: "database", ok: false, detail: `does not answer: ${error.message}` })
    })
  )
  const broken = (yield* supervisor.status).filter(({ failures, state }) =>
    // one that runs again has got over it: its failures, in an outage of the database for instance, are still counted
    state === "failed" || state === "restarting" && failures >= tolerated
  )
  const fibers: Check = {
    name: "fibers",
    ok: broken.length === 0,
    detail: broken.length === 0
      ? "all run"
      : broken.map((fiber) => `${fiber.name} failed ${fiber.failures} times: ${fiber.lastFailure?.message}`).join("; ")
  }
  const state = yield* scheduler.status
  return [database, fibers, {
    name: "scheduler",
    ok: state === "running" || state === "disabled",
    detail: state === "stopped" ? "does not run: it has not begun, or has ended" : state
  }, yield* worker]
})

const worker = Effect.gen(function*(): Effect.fn.Return<Check, never, CurrentWorker | ServiceConfig> {
  const { role } = yield* ServiceConfig
  const current = yield* (yield* CurrentWorker).get
  if (current === null) return { name: "worker", ok: false, detail: "has not begun" }
  if (current === "none") {
    return {
      name: "worker",
      ok: true,
      detail: role === "all" || role === "worker" ? "none" : `none: the role is ${role}`
    }
  }
  const { queues, state, stuck, unrecorded } = yield* current.status
  const running = Object.values(queues).reduce((sum, queue) => sum + queue.running, 0)
  const capacity = Object.values(queues).reduce((sum, queue) => sum + queue.capacity, 0)
  const said = [
    `${state}: ${running} of ${capacity} jobs`,
    ...(unrecorded === 0 ? [] : [`${unrecorded} ends not recorded yet`]),
    ...(stuck === 0 ? [] : [`${stuck} attempts ignored that they were to stop`])
  ]
  return { name: "worker", ok: state === "running", detail: said.join(", ") }
})

const answer = (checks: ReadonlyArray<Check>) => {
  const ok = checks.every((check) => check.ok)
  return HttpServerResponse.jsonUnsafe({ ok, checks }, { status: ok ? 200 : 503 })
}

/**
 * @category layers
 */
export const layer = Layer.mergeAll(
  HttpRouter.add("GET", "/livez", HttpMiddleware.withLoggerDisabled(Effect.succeed(answer([])))),
  HttpRouter.use((router) =>
    Effect.flatMap(
      Effect.context<ControlSql | Supervisor | TaskScheduler | CurrentWorker | ServiceConfig>(),
      (context) =>
        router.add(
          "GET",
          "/readyz",
          checks.pipe(
            Effect.provideContext(context),
            Effect.map(answer),
            Effect.withTracerEnabled(false),
            HttpMiddleware.withLoggerDisabled
          )
        )
    )
  )
)
