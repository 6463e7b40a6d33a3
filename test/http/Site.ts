/** A site whose requests run in the test's own runtime, so that its clock rules, and whose clients can leave. */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as HttpEffect from "effect/http/HttpEffect"
import * as HttpRouter from "effect/http/HttpRouter"
import { ClientAbort } from "effect/http/HttpServerError"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { ActiveRequest } from "ostinato/http/ActiveRequest"
import * as RequestRegistry from "ostinato/http/RequestRegistry"

/** What a client got. */
export interface Got {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly text: Effect.Effect<string>
}

export interface Client {
  /** Its answer; never, if it left before. */
  readonly answer: Effect.Effect<Got>
  readonly isAnswered: Effect.Effect<boolean>
  /** How often something was sent to it. */
  readonly sent: () => number
  /** Closes its connection and waits for the end of its request. */
  readonly leave: Effect.Effect<void>
}

export interface Site {
  readonly registry: RequestRegistry.RequestRegistry["Service"]
  readonly send: (path: string, init?: RequestInit) => Effect.Effect<Client>
}

/** Serves routes with a registry of their own. */
export const open = (
  routes: Layer.Layer<
    never,
    never,
    | HttpRouter.HttpRouter
    | HttpRouter.Request<"Requires", ActiveRequest>
    | HttpRouter.Request<"Error", unknown>
    | RequestRegistry.RequestRegistry
  >,
  options?: RequestRegistry.RegistryOptions
) =>
  Effect.gen(function*() {
    const registry = yield* RequestRegistry.make(options)
    const app = yield* HttpRouter.toHttpEffect(
      routes.pipe(
        Layer.provide(RequestRegistry.layerTracked),
        Layer.provide(Layer.succeed(RequestRegistry.RequestRegistry, registry))
      )
    )
    const scope = yield* Effect.scope
    const send = (path: string, init?: RequestInit) => sent(app, scope, path, init)
    return { registry, send } satisfies Site
  })

type App = Effect.Effect<
  HttpServerResponse.HttpServerResponse,
  unknown,
  HttpServerRequest.HttpServerRequest | Scope.Scope
>

/** The answer of a site without a registry. */
export const ask = (app: App, path: string): Effect.Effect<Got, never, Scope.Scope> =>
  Effect.flatMap(Effect.flatMap(Effect.scope, (scope) => sent(app, scope, path)), ({ answer }) => answer)

const sent = Effect.fnUntraced(function*(app: App, scope: Scope.Scope, path: string, init?: RequestInit) {
  const answered = yield* Deferred.make<Got>()
  let times = 0
  let hasLeft = false
  const handled = HttpEffect.toHandled(app, (_, response) => {
    // a server writes nothing to a connection that is closed
    if (hasLeft) return Effect.void
    times += 1
    return written(response, (got) => Deferred.succeed(answered, got))
  })
  const request = HttpServerRequest.fromWeb(new Request(`http://localhost${path}`, init))
  const fiber = yield* handled.pipe(
    Effect.provideService(HttpServerRequest.HttpServerRequest, request),
    Effect.forkIn(scope, { startImmediately: true })
  )
  return {
    answer: Deferred.await(answered),
    isAnswered: Deferred.isDone(answered),
    sent: () => times,
    leave: Effect.callback<void>((resume) => {
      hasLeft = true
      fiber.interruptUnsafe(undefined, ClientAbort.annotation)
      fiber.addObserver(() => resume(Effect.void))
    })
  } satisfies Client
})

/** Writes a response as a server does: it is sent when its stream has ended. */
const written = (
  { body, headers, status, ...response }: HttpServerResponse.HttpServerResponse,
  told: (got: Got) => Effect.Effect<unknown>
) =>
  Effect.gen(function*() {
    const text = yield* Deferred.make<string>()
    yield* told({ status, headers, text: Deferred.await(text) })
    if (body._tag !== "Stream") {
      const whole = HttpServerResponse.toWeb({ body, headers, status, ...response })
      return yield* Deferred.succeed(text, yield* Effect.promise(() => whole.text()))
    }
    const parts: Array<string> = []
    const end = (exit: Exit.Exit<unknown, unknown>) =>
      Deferred.succeed(text, parts.join("") + (Exit.isSuccess(exit) ? "" : " cut off"))
    yield* Effect.onExit(
      Stream.runForEach(Stream.decodeText(body.stream), (part) => Effect.sync(() => parts.push(part))),
      end
    )
  })

export const streamed = (stream: Stream.Stream<string>) => HttpServerResponse.stream(Stream.encodeText(stream))
