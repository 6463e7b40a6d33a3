/**
 * Effect's `RateLimiter` with its state in Postgres: one limit for all processes.
 *
 * Each decision locks the row of its key, so a key's decisions follow one another whatever process they come from, by
 * the database's clock. They take no part in the caller's transaction: what was taken stays taken when that rolls back.
 * State that has run out is as good as none and is removed in passing. For the limits of jobs see `JobLimit`; this is for
 * code that has Effect's module already.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { RateLimiterError, RateLimiterStore, RateLimitStoreError } from "effect/persistence/RateLimiter"
import type { SqlError } from "effect/sql/SqlError"
import type { ControlSql } from "../../store/ControlSql.ts"
import * as SqlFault from "../../store/SqlFault.ts"
import * as adaptiveRate from "../internal/interop/adaptiveRate.ts"
import * as keyedState from "../internal/interop/keyedState.ts"
import * as rate from "../internal/interop/rate.ts"

/**
 * The store on the tables of jobs (`PostgresJobStore.migrations`).
 *
 * @category layers
 * @example
 * ```ts
 * import { Effect, Layer } from "effect"
 * import { RateLimiter } from "effect/persistence"
 * import { PostgresRateLimiterStore } from "ostinato/jobs"
 *
 * // needs the layers of `Database`
 * const Limits = RateLimiter.layer.pipe(Layer.provide(PostgresRateLimiterStore.layer))
 *
 * const ask = Effect.flatMap(RateLimiter.RateLimiter, (limits) =>
 *   limits.consume({ key: "github", limit: 5000, window: "1 hour", onExceeded: "delay" }))
 * const program = Effect.provide(ask, Limits)
 * ```
 */
export const layer: Layer.Layer<RateLimiterStore, never, ControlSql> = Layer.effect(
  RateLimiterStore,
  Effect.gen(function*() {
    const windows = yield* keyedState.make<rate.Window>("window")
    const buckets = yield* keyedState.make<rate.Bucket>("bucket")
    const adaptive = yield* keyedState.make<adaptiveRate.Adaptive>("adaptive")
    return RateLimiterStore.of({
      fixedWindow: ({ key, limit, refillRate, tokens }) =>
        failing(
          `rate limit ${key}`,
          windows.change(key, (state, now) =>
            rate.fixedWindow(state, now, { limit, tokens, refillMs: Duration.toMillis(refillRate) }))
        ),
      tokenBucket: ({ allowOverflow, key, limit, refillRate, tokens }) =>
        failing(
          `rate limit ${key}`,
          buckets.change(key, (state, now) =>
            rate.tokenBucket(state, now, { limit, tokens, allowOverflow, refillMs: Duration.toMillis(refillRate) }))
        ),
      adaptiveConsume: ({ fallbackWindow, key, tokens }) =>
        failing(
          `rate limit ${key}`,
          Effect.map(
            adaptive.change(key, (state, now) =>
              adaptiveRate.consume(state, now, { tokens, windowMs: Duration.toMillis(fallbackWindow) })),
            ({ delayMs, epoch, phase }) => ({ delay: Duration.millis(delayMs), epoch, phase })
          )
        ),
      adaptiveFeedback: ({ epoch, key, retryAfter, status, tokens }) =>
        status !== 429 || retryAfter === undefined ? Effect.void : failing(
          `rate limit ${key}`,
          adaptive.change(
            key,
            (state, now) =>
              adaptiveRate.refused(state, now, { epoch, tokens, retryAfterMs: Duration.toMillis(retryAfter) })
          )
        )
    })
  })
)

const failing = <A>(what: string, decision: Effect.Effect<A, SqlError>) =>
  Effect.mapError(decision, (error) =>
    new RateLimiterError({
      reason: new RateLimitStoreError({
        message: `${what}: the database did not decide: ${SqlFault.explain(error, "PostgresJobStore.migrations")}`,
        cause: error
      })
    }))
