/**
 * Effect's `CircuitBreaker` with its state in Postgres: a circuit that one process has opened is open for all.
 *
 * Each decision locks the row of its key and goes by the database's clock; none takes part in the caller's transaction.
 * The one call that is let through a circuit that is half open (the probe) holds a lease, renewed while it runs: when its
 * process dies another takes over, and what the first one reports later changes nothing.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import {
  CircuitBreakerError,
  CircuitBreakerStore,
  CircuitBreakerStoreError,
  CircuitHalfOpen,
  CircuitOpen,
  type State,
  type Transition
} from "effect/persistence/CircuitBreaker"
import type { SqlError } from "effect/sql/SqlError"
import type { ControlSql } from "../../store/ControlSql.ts"
import * as SqlFault from "../../store/SqlFault.ts"
import * as circuit from "../internal/interop/circuit.ts"
import * as keyedState from "../internal/interop/keyedState.ts"

/**
 * @category models
 */
export interface Options {
  /** How long a probe counts as running without a sign of life of its process. Defaults to `10 seconds`. */
  readonly probeLease?: Duration.Input | undefined
  /** A circuit that nobody used for so long, and that is not open, is forgotten. Defaults to `1 hour`. */
  readonly idleTimeToLive?: Duration.Input | undefined
}

/**
 * The store on the tables of jobs (`PostgresJobStore.migrations`).
 *
 * @category layers
 * @example
 * ```ts
 * import { Effect, Layer } from "effect"
 * import { CircuitBreaker } from "effect/persistence"
 * import { PostgresCircuitBreakerStore } from "ostinato/jobs"
 *
 * // needs the layers of `Database`
 * const Breaker = CircuitBreaker.layer({
 *   tripPolicy: CircuitBreaker.consecutive(5),
 *   openDuration: "30 seconds"
 * }).pipe(Layer.provide(PostgresCircuitBreakerStore.layer()))
 *
 * const call = Effect.flatMap(CircuitBreaker.CircuitBreaker, (breaker) =>
 *   breaker.execute(Effect.succeed("answer"), { key: "api.example.com" }))
 * const program = Effect.provide(call, Breaker)
 * ```
 */
export const layer = (options: Options = {}): Layer.Layer<CircuitBreakerStore, never, ControlSql> =>
  Layer.effect(
    CircuitBreakerStore,
    Effect.gen(function*() {
      const circuits = yield* keyedState.make<circuit.Circuit>("circuit")
      const millis = (input: Duration.Input) => Math.max(1, Duration.toMillis(Duration.fromInputUnsafe(input)))
      const timing: circuit.Timing = {
        leaseMs: millis(options.probeLease ?? "10 seconds"),
        idleMs: millis(options.idleTimeToLive ?? "1 hour")
      }
      // a renewal that fails may succeed next time, before the lease is over
      const renew = (key: string, generation: number) =>
        circuits.change(key, (state, now) => circuit.renew(state, now, generation, timing)).pipe(
          Effect.catch((error) =>
            Effect.as(Effect.logWarning(`circuit ${key}: the lease of a probe was not renewed`, error), true)
          ),
          Effect.delay(timing.leaseMs / 3),
          Effect.repeat({ while: (renewed) => renewed })
        )

      return CircuitBreakerStore.of({
        admit: Effect.fnUntraced(function*(key) {
          const admitted = yield* failing(
            "admit a call",
            circuits.change(key, (state, now) => circuit.admit(state, now, timing))
          )
          if (admitted.kind === "open") {
            const retryAfter = Duration.millis(admitted.forMs)
            return yield* new CircuitBreakerError({ reason: new CircuitOpen({ key, retryAfter }) })
          }
          if (admitted.kind === "probing") {
            return yield* new CircuitBreakerError({ reason: new CircuitHalfOpen({ key }) })
          }
          const { generation, isProbe, moved, openings } = admitted
          if (isProbe) yield* Effect.forkScoped(Effect.interruptible(renew(key, generation)))
          return {
            generation,
            probe: isProbe,
            consecutiveOpenings: openings,
            transition: moved ? { key, from: "Open", to: "HalfOpen" } : undefined
          }
        }),
        record: ({ generation, key, openFor, outcome, tripPolicy }) =>
          failing(
            "record an outcome",
            Effect.map(
              circuits.change(key, (state, now) =>
                circuit.record(state, now, {
                  generation,
                  outcome,
                  policy: tripPolicy,
                  openMs: Math.max(0, Duration.toMillis(openFor))
                }, timing)),
              (moved) => moved === undefined ? undefined : transition(key, moved, openFor)
            )
          ),
        state: (key) =>
          failing("read a circuit", Effect.map(circuits.read(key), ({ now, state }) => shown(key, state, now)))
      })
    })
  )

const transition = (key: string, { from, openings, to }: circuit.Moved, openFor: Duration.Duration): Transition =>
  to === "closed" ? { key, from: "HalfOpen", to: "Closed" } : {
    key,
    from: from === "closed" ? "Closed" : "HalfOpen",
    to: "Open",
    retryAfter: openFor,
    consecutiveOpenings: openings
  }

const shown = (key: string, state: circuit.Circuit | undefined, now: number): State => {
  if (state === undefined || state.state === "closed") return { _tag: "Closed", key }
  const consecutiveOpenings = state.openings
  return state.state === "open"
    ? { _tag: "Open", key, consecutiveOpenings, retryAfter: Duration.millis(Math.max(0, state.openUntil - now)) }
    : { _tag: "HalfOpen", key, consecutiveOpenings, probing: state.probeUntil > now }
}

const failing = <A>(what: string, decision: Effect.Effect<A, SqlError>) =>
  Effect.mapError(decision, (error) =>
    new CircuitBreakerError({
      reason: new CircuitBreakerStoreError({
        message: `the database did not ${what}: ${SqlFault.explain(error, "PostgresJobStore.migrations")}`,
        cause: error
      })
    }))
