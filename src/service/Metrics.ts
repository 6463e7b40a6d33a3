/**
 * `/metrics` in the Prometheus text format, from Effect's metric registry.
 */
import * as Effect from "effect/Effect"
import * as HttpMiddleware from "effect/http/HttpMiddleware"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import type * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as PrometheusMetrics from "effect/observability/PrometheusMetrics"
import { version } from "./version.ts"

const buildInfo = Metric.withAttributes(
  Metric.gauge("ostinato_build_info", { description: "Always 1; the version is in its label" }),
  { version }
)

/**
 * Serves the registry. `refresh` runs before every answer.
 *
 * @category layers
 */
export const layer = <R>(
  refresh: Effect.Effect<void, never, R>
): Layer.Layer<never, never, HttpRouter.HttpRouter | R> =>
  HttpRouter.use((router) =>
    Effect.flatMap(Effect.context<R>(), (context) =>
      router.add(
        "GET",
        "/metrics",
        Effect.gen(function*() {
          yield* Effect.provideContext(refresh, context)
          yield* Metric.update(buildInfo, 1)
          return HttpServerResponse.text(yield* PrometheusMetrics.format(), {
            contentType: "text/plain; version=0.0.4; charset=utf-8"
          })
        }).pipe(Effect.withTracerEnabled(false), HttpMiddleware.withLoggerDisabled)
      ))
  )
