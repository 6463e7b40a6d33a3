/**
 * Every request that is being answered: seen, limited in time, cancelled, and brought to an end when the service stops.
 *
 *   open --drain--> draining: new requests get 503, active ones may go on --all answered | limit over--> timed out, empty
 *
 * A request that its handler answers at once leaves no trace; one that took longer, or ended in another way, can be found
 * for as long as `history` has room.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import type * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as CapturedContext from "../core/CapturedContext.ts"
import type { ActiveRequest } from "./ActiveRequest.ts"
import { type Answer, Exchange, type Settings } from "./internal/Exchange.ts"
import { pathOf } from "./internal/pathOf.ts"
import { Register } from "./internal/Register.ts"
import { millis } from "./internal/Timeouts.ts"
import { run } from "./internal/tracked.ts"
import * as RequestMetrics from "./RequestMetrics.ts"
import type { RequestSummary } from "./RequestState.ts"

/**
 * What a registry may be told. Times count from the arrival of a request.
 *
 * @category models
 */
export interface RegistryOptions {
  /** Longest time to an answer, for every request; `0` for none. Defaults to `60 seconds`. */
  readonly timeout?: Duration.Input | undefined
  /**
   * Status of the answer when the time is up. Defaults to 408, although that strictly says that the request came too slowly:
   * 503 (with Retry-After) or 504 tell better of a slow handler.
   */
  readonly timeoutStatus?: 408 | 503 | 504 | undefined
  /** How long work that was asked to stop, and finalizers, may hold up an answer. Defaults to `1 second`. */
  readonly grace?: Duration.Input | undefined
  /** Requests that may be active at once; one more gets 503. Defaults to 20,000. */
  readonly capacity?: number | undefined
  /** Warn of a handler that holds the event loop for longer; `0` never does. Defaults to `100 millis`. */
  readonly stall?: Duration.Input | undefined
  /** How many ended requests are remembered. Defaults to 1,000. */
  readonly history?: number | undefined
}

/**
 * What became of an attempt to cancel: there is no such request, or it had ended.
 *
 * @category models
 */
export type Cancelled = "cancelled" | "ended" | "unknown"

/**
 * The active requests of a server.
 *
 * @category services
 */
export class RequestRegistry extends Context.Service<RequestRegistry, {
  /** The active ones, oldest first. */
  readonly list: Effect.Effect<ReadonlyArray<RequestSummary>>
  /** An active one, or one that is still remembered. */
  readonly find: (id: string) => Effect.Effect<RequestSummary | null>
  /** How many are active. */
  readonly active: Effect.Effect<number>
  /** Ends one: its client gets the status (503 unless said otherwise), its work is interrupted, what it gives is dropped. */
  readonly cancel: (id: string, options?: {
    /** 4xx or 5xx. */
    readonly status?: number | undefined
    readonly reason?: string | undefined
  }) => Effect.Effect<Cancelled>
  /** Ends all as if their time were up. Gives how many there were. */
  readonly timeoutAll: Effect.Effect<number>
  /** Ends those whose clients are gone. They end by themselves, so there should be none. Gives how many there were. */
  readonly cleanUp: Effect.Effect<number>
  /** Takes no more, lets active ones finish for so long, then ends them all. Gives how many had to be ended. */
  readonly drain: (limit: Duration.Input) => Effect.Effect<number>
  /** Tracks what answers a request, where no route of a router does: at most one answer, whoever gives it. */
  readonly track: <E, R>(answer: Effect.Effect<HttpServerResponse.HttpServerResponse, E, R>) => Effect.Effect<
    HttpServerResponse.HttpServerResponse,
    E,
    Exclude<R, ActiveRequest> | HttpServerRequest.HttpServerRequest
  >
}>()("ostinato/http/RequestRegistry") {}

/**
 * A registry that ends what is active when its scope closes. Its state is shown by `RequestMetrics`.
 *
 * @category constructors
 */
export const make = (
  options: RegistryOptions = {}
): Effect.Effect<RequestRegistry["Service"], never, Scope.Scope> =>
  Effect.gen(function*() {
    const base: Context.Context<never> = yield* CapturedContext.make<never>()
    const register = new Register(base, yield* Clock.Clock, settings(options))
    yield* Effect.addFinalizer(() => register.close)
    yield* RequestMetrics.show(() => register.figures())
    return {
      list: Effect.sync(() => register.list().map(({ summary }) => summary)),
      find: (id) => Effect.sync(() => register.find(id)),
      active: Effect.sync(() => register.active.size),
      cancel: (id, options) => Effect.sync(() => register.cancel(id, options?.status ?? 503, options?.reason)),
      timeoutAll: Effect.sync(() => register.timeoutAll()),
      cleanUp: Effect.sync(() => register.cleanUp()),
      drain: (limit) => register.drain(limit),
      track: <E, R>(answer: Effect.Effect<HttpServerResponse.HttpServerResponse, E, R>) =>
        // what the answer needs is in the context of its request, and it fails with nothing else
        // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- as said
        track(register, answer) as Effect.Effect<
          HttpServerResponse.HttpServerResponse,
          E,
          Exclude<R, ActiveRequest> | HttpServerRequest.HttpServerRequest
        >
    }
  })

/**
 * A registry for the routes of a server.
 *
 * @category layers
 * @example
 * ```ts
 * import { Layer } from "effect"
 * import { HttpRouter, HttpServerResponse } from "effect/http"
 * import { RequestRegistry } from "ostinato/http"
 *
 * const Routes = HttpRouter.add("GET", "/hello", HttpServerResponse.text("hello")).pipe(
 *   Layer.provide(RequestRegistry.layerTracked),
 *   Layer.provide(RequestRegistry.layer({ timeout: "10 seconds", timeoutStatus: 503 }))
 * )
 *
 * const { dispose, handler } = HttpRouter.toWebHandler(Routes, { disableLogger: true })
 * const response = await handler(new Request("http://localhost/hello"))
 * await response.text() // => "hello"
 * await dispose()
 * ```
 */
export const layer = (options?: RegistryOptions): Layer.Layer<RequestRegistry> =>
  Layer.effect(RequestRegistry, make(options))

/**
 * Tracks the routes that it is provided to, which then may defer their answers.
 *
 * @category layers
 */
export const layerTracked = HttpRouter.middleware<{ provides: ActiveRequest }>()(
  Effect.map(RequestRegistry, ({ track }) => track)
).layer

const settings = ({ capacity, grace, history, stall, timeout, timeoutStatus }: RegistryOptions): Settings => ({
  timeoutMs: millis(timeout ?? "60 seconds"),
  timeoutStatus: timeoutStatus ?? 408,
  graceMs: millis(grace ?? "1 second"),
  capacity: capacity ?? 20_000,
  stallMs: millis(stall ?? "100 millis"),
  history: history ?? 1000
})

const track = (register: Register, answer: Answer) =>
  Effect.withFiber(({ context }) => {
    const request = Context.getUnsafe(context, HttpServerRequest.HttpServerRequest)
    const route = Context.getOrUndefined(context, HttpRouter.RouteContext)?.route.path ?? pathOf(request.url)
    const admitted = register.admit(request.method, route)
    return admitted instanceof Exchange ? run(admitted, answer) : Effect.succeed(admitted)
  })
