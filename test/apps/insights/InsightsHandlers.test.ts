import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as HttpApiMiddleware from "effect/http-api/HttpApiMiddleware"
import * as HttpRouter from "effect/http/HttpRouter"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import { Figures } from "../../../src/apps/insights/Figures.ts"
import { FiguresInvalid, FiguresUnavailable, type ReadError } from "../../../src/apps/insights/FiguresError.ts"
import * as InsightsHandlers from "../../../src/apps/insights/InsightsHandlers.ts"
import { SyncOnDemand } from "../../../src/apps/insights/SyncOnDemand.ts"

const answer = (error: ReadError) =>
  Effect.gen(function*() {
    const logged: Array<string> = []
    const logger = Logger.make(({ logLevel, message }) => {
      logged.push(`${logLevel} ${String(message)}`)
    })
    const Failing = Layer.mock(Figures, { page: () => Effect.fail(error) })
    const routes = InsightsHandlers.layer.pipe(
      Layer.provide([
        HttpApiMiddleware.layerProblemDetails({ includeDetails: true }),
        Failing,
        Layer.mock(SyncOnDemand, {})
      ]),
      Layer.provide([NodeHttpServer.layerHttpServices, Logger.layer([logger])])
    )
    const { dispose, handler } = HttpRouter.toWebHandler(routes, { disableLogger: true })
    yield* Effect.addFinalizer(() => Effect.promise(dispose))
    const response = yield* Effect.promise(() => handler(new Request("http://localhost/api/v1/insights/repositories")))
    const body = yield* Effect.promise(() => response.text())
    return { status: response.status, type: response.headers.get("content-type") ?? "", body, logged }
  })

describe("InsightsHandlers", () => {
  it.effect("answers 500 of its own kind and logs an error when stored figures have an unknown form", () =>
    Effect.gen(function*() {
      const { body, logged, status, type } = yield* answer(new FiguresInvalid({ detail: "lastDay is odd" }))
      assert.strictEqual(status, 500)
      assert.match(type, /^application\/problem\+json/)
      assert.include(body, "urn:ostinato:insights:figures-unreadable")
      assert.strictEqual(logged.length, 1)
      assert.match(logged[0] ?? "", /^Error .*lastDay is odd/)
    }))

  it.effect("answers 503 and logs a warning when the database does not answer", () =>
    Effect.gen(function*() {
      const { body, logged, status } = yield* answer(new FiguresUnavailable({ detail: "connection refused" }))
      assert.strictEqual(status, 503)
      assert.include(body, "urn:ostinato:store-unavailable")
      assert.match(logged[0] ?? "", /^Warn .*connection refused/)
    }))
})
