/**
 * A task or pipeline behind a route: its client waits for the result, or is told where to find it.
 *
 *   request --payload--> operation begun --ended in time--> 200 with its value | the problem that it failed with
 *                             \--not yet, and the client need not wait--> 202, Location: /operations/<id>
 *
 *   Prefer: wait=10                 waits for 10 s at most, then 202
 *   Prefer: respond-async           does not wait
 *   Prefer: respond-async, wait=10  as the first
 *
 * `GET /operations/<id>` tells how it stands, as server-sent events with `Accept: text/event-stream`; `DELETE` cancels it.
 */
import * as Cause from "effect/Cause"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Schema from "effect/Schema"
import * as SchemaAST from "effect/SchemaAST"
import type { Dispatch } from "../core/Dispatch.ts"
import type { Any, Storable, Task } from "../core/Task.ts"
import { fromCause } from "../core/TaskError.ts"
import * as ClientDisconnect from "./ClientDisconnect.ts"
import * as HttpProblem from "./HttpProblem.ts"
import { pathOf } from "./internal/pathOf.ts"
import { Operation, Operations } from "./Operations.ts"
import * as Prefer from "./Prefer.ts"
import * as RequestTimeout from "./RequestTimeout.ts"

/**
 * How a task answers a route.
 *
 * @category models
 */
export interface RespondOptions<T extends Any, DE, DR> {
  /** How the invocation becomes a run. */
  readonly dispatch: Dispatch<T, DE, DR>
  /** Of a client that does not say what it prefers: `wait` for the result (the default), or `respond-async`. */
  readonly unless?: "wait" | "respond-async" | undefined
  /** Longest time to an answer; the registry's unless said otherwise. The operation is cancelled then. */
  readonly timeout?: Duration.Input | undefined
  /**
   * What becomes of the operation when its client leaves while it waits: `interrupt` (the default) cancels it, `detach` lets
   * it go on.
   */
  readonly onDisconnect?: "interrupt" | "detach" | undefined
  /** Where the routes of `Operations` are. Defaults to `/operations`. */
  readonly operations?: `/${string}` | undefined
  /** What a client is told of a failure. Defaults to 500 with the failure's tag and message; 504 for a timeout. */
  readonly problem?: ((error: T["error"]["Type"]) => HttpProblem.Problem | undefined) | undefined
}

/**
 * Runs a task for each request, with the request's JSON as its payload: 400 tells what of it does not fit. `Deferral.respond`
 * is the same.
 *
 * @category constructors
 * @example
 * ```ts
 * import { Effect, Layer, Schema } from "effect"
 * import { HttpRouter } from "effect/http"
 * import { Dispatch, MemoryRunLog, Task } from "ostinato"
 * import { Deferral, OperationRoutes, Operations, RequestRegistry } from "ostinato/http"
 *
 * const Double = Task.make("docs.double", { payload: { n: Schema.Number }, success: Schema.Number })
 * const DoubleLive = Double.toLayer(({ n }) => Effect.succeed(n * 2))
 *
 * const Routes = Layer.mergeAll(
 *   HttpRouter.add("POST", "/double", Deferral.respond(Double, { dispatch: Dispatch.here })),
 *   OperationRoutes.layer()
 * ).pipe(
 *   Layer.provide(RequestRegistry.layerTracked),
 *   HttpRouter.provideRequest(Layer.mergeAll(DoubleLive, MemoryRunLog.layer(), Operations.layer())),
 *   Layer.provide(RequestRegistry.layer())
 * )
 *
 * const { dispose, handler } = HttpRouter.toWebHandler(Routes, { disableLogger: true })
 * const headers = { "content-type": "application/json" }
 * const response = await handler(new Request("http://localhost/double", { method: "POST", headers, body: '{"n":21}' }))
 * await response.json() // => 42
 * await dispose()
 * ```
 */
export const respond = <
  Name extends string,
  P extends Storable,
  S extends Storable,
  E extends Storable,
  R,
  DE = never,
  DR = never
>(
  task: Task<Name, P, S, E, R>,
  options: RespondOptions<Task<Name, P, S, E, R>, DE, DR>
) => {
  const decode = Schema.decodeUnknownEffect(Schema.toCodecJson(task.payload))
  const encode = Schema.encodeUnknownEffect(Schema.toCodecJson(task.success))
  const isVoid = SchemaAST.isVoid(task.success.ast)
  const place = options.operations ?? "/operations"
  const policy = options.onDisconnect === "detach" ? ClientDisconnect.detach : ClientDisconnect.interrupt

  const work = (payload: P["Type"], request: HttpServerRequest.HttpServerRequest) =>
    Effect.gen(function*() {
      const trigger = { kind: "http", method: request.method, path: pathOf(request.url) } as const
      const run = yield* options.dispatch(task, payload, trigger)
      const value = yield* run.await
      return isVoid ? null : yield* encode(value)
    }).pipe(
      Effect.catchCause((cause) => {
        if (Cause.hasInterruptsOnly(cause)) return Effect.failCause(Cause.interrupt())
        const error = cause.reasons.find(Cause.isFailReason)?.error
        const own = error === undefined ? undefined : options.problem?.(error)
        return Effect.andThen(
          own === undefined && error === undefined ? Effect.logError(`task ${task.name} broke`, cause) : Effect.void,
          Effect.fail(own ?? problemOf(cause))
        )
      })
    )

  const answer = Effect.gen(function*() {
    const request = yield* HttpServerRequest.HttpServerRequest
    const operations = yield* Operations
    const prefer = Prefer.parse(request.headers["prefer"])
    const payload = yield* payloadOf(request, decode)
    const { ended, id } = yield* operations.start(task.name, work(payload, request))
    const patience = prefer.wait ?? (prefer.respondAsync || options.unless === "respond-async" ? 0 : null)
    const first = yield* Effect.onInterrupt(
      patience === null ? Effect.asSome(ended) : Effect.timeoutOption(ended, `${patience} seconds`),
      () => operations.cancel(id)
    )
    return first._tag === "Some"
      ? told(first.value, prefer)
      : yield* accepted(operations, id, place, prefer)
  }).pipe(Effect.catch((problem) => Effect.succeed(HttpProblem.response(problem))))

  const limited = options.timeout === undefined ? answer : answer.pipe(RequestTimeout.within(options.timeout))
  return policy(limited)
}

const json = "application/json"

const payloadOf = <A>(
  request: HttpServerRequest.HttpServerRequest,
  decode: (input: unknown) => Effect.Effect<A, Schema.SchemaError>
): Effect.Effect<A, HttpProblem.Problem> =>
  Effect.gen(function*() {
    const type = request.headers["content-type"] ?? json
    if (!/^application\/([\w.+-]+\+)?json\s*(;|$)/i.test(type)) return yield* Effect.fail(notJson(type))
    const text = yield* Effect.mapError(request.text, () => unreadable)
    const input = yield* text.trim() === "" ? Effect.succeed({}) : Effect.mapError(parsed(text), () => malformed)
    return yield* Effect.mapError(decode(input), ({ message }) => unfit(message))
  })

const parsed = Schema.decodeUnknownEffect(Schema.fromJsonString(Schema.Unknown))

const notJson = (type: string): HttpProblem.Problem => ({
  type: "urn:ostinato:body-not-json",
  status: 415,
  title: "The body is not of a form that is read here",
  detail: `send ${json}; this is ${type.slice(0, 100)}`
})

const unreadable: HttpProblem.Problem = {
  type: "urn:ostinato:body-unreadable",
  status: 413,
  title: "The body could not be read whole",
  detail: "it is too large, or was cut off"
}

const malformed: HttpProblem.Problem = {
  type: "urn:ostinato:body-malformed",
  status: 400,
  title: "The body is no JSON"
}

const unfit = (detail: string): HttpProblem.Problem => ({
  type: "urn:ostinato:payload-invalid",
  status: 400,
  title: "The body does not fit the task",
  detail: detail.slice(0, 2000)
})

const statuses: Readonly<Record<string, number>> = {
  TaskTimeout: 504,
  PayloadInvalid: 400,
  TaskSkipped: 409,
  TaskInterrupted: 503,
  PoolFull: 503,
  PoolClosed: 503
}

/** Of a typed failure its tag and what it says; of a defect nothing: that is for the log. */
const problemOf = (cause: Cause.Cause<unknown>): HttpProblem.Problem => {
  const { kind, message, tag } = fromCause(cause)
  if (kind !== "failure") return HttpProblem.failed()
  const status = statuses[tag] ?? 500
  return {
    type: "urn:ostinato:task-failed",
    status,
    title: `The task failed: ${tag}`,
    detail: message.slice(0, 2000),
    retryAfter: status === 503 ? 1 : undefined
  }
}

const applied = (response: HttpServerResponse.HttpServerResponse, prefer: Prefer.Prefer) => {
  const value = Prefer.applied(prefer)
  return value === "" ? response : HttpServerResponse.setHeader(response, "preference-applied", value)
}

/** The answer that an operation which has ended gives. */
const told = (operation: Operation, prefer: Prefer.Prefer) =>
  operation.state === "completed"
    ? applied(
      operation.result === null
        ? HttpServerResponse.empty({ status: 204 })
        : HttpServerResponse.jsonUnsafe(operation.result),
      { ...prefer, respondAsync: false }
    )
    : HttpProblem.response(operation.problem ?? cancelled)

const cancelled: HttpProblem.Problem = {
  type: "urn:ostinato:operation-cancelled",
  status: 409,
  title: "The operation was cancelled"
}

const shown = Schema.encodeUnknownEffect(Schema.toCodecJson(Operation))

const accepted = (operations: Operations["Service"], id: string, place: string, prefer: Prefer.Prefer) =>
  Effect.gen(function*() {
    const operation = yield* operations.find(id)
    const body = operation === null ? { id } : yield* Effect.orDie(shown(operation))
    const response = HttpServerResponse.jsonUnsafe(body, {
      status: 202,
      headers: { location: `${place}/${id}`, "retry-after": "1" }
    })
    return applied(response, { ...prefer, respondAsync: true })
  })
