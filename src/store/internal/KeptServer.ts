/**
 * Keeps a server process running: one that ends by itself is started again, up to a limit.
 *
 *   serving --ended--> starting again --ready--> serving
 *   starting again --no start left--> lost
 *
 * The first start again comes at once, the next after 1, 2, 4 … seconds, at most 30. A server that has run for a minute
 * has recovered: its starts are counted from anew. At most one process exists at any time, and none when the scope is
 * closed. Every end and every return is logged and counted.
 */
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Metric from "effect/Metric"
import * as Scope from "effect/Scope"
import type { Postmaster } from "./Postmaster.ts"

/** A server that is kept. */
export interface KeptServer<E> {
  /** Process id of the one that runs now, or ran last. */
  readonly pid: () => number
  /** Fails when the server is lost: with why it could not be started again, or with how it ended. */
  readonly lost: Effect.Effect<never, E>
}

/** Starts it, and again whenever it ends, until the scope closes. */
export const keep = Effect.fnUntraced(function*<E extends { readonly message: string }, R, L>(options: {
  /** Starts one process that ends with its scope; succeeds when it is ready. */
  readonly launch: Effect.Effect<Postmaster, E, R | Scope.Scope>
  /** How often in a row it may be started again. */
  readonly restarts: number
  /** What a server that ended this way is to be called. */
  readonly ended: (how: string) => Effect.Effect<L>
  /** What it is called in the log. */
  readonly name: string
}) {
  let scope = yield* Scope.make()
  yield* Effect.addFinalizer((exit) => Effect.suspend(() => Scope.close(scope, exit)))
  const start = Effect.suspend(() => Scope.provide(options.launch, scope))
  const startAgain = Effect.gen(function*() {
    yield* Scope.close(scope, Exit.void)
    scope = yield* Scope.make()
    return yield* start
  })
  let server = yield* start
  const lost = yield* Deferred.make<never, E | L>()

  const watch = Effect.gen(function*() {
    let failures = 0
    let since = yield* Clock.currentTimeMillis
    let how = yield* server.exited
    for (;;) {
      const now = yield* Clock.currentTimeMillis
      failures = now - since >= recovered ? 1 : failures + 1
      if (failures > options.restarts) return yield* options.ended(`${how}, ${failures} times in a row`)
      yield* Effect.logError(`${options.name} ended (${how}): starting it again`)
      yield* Metric.update(restarts, 1)
      yield* Effect.sleep(failures === 1 ? 0 : Math.min(30_000, 1000 * 2 ** (failures - 2)))
      const started = yield* Effect.result(startAgain)
      since = yield* Clock.currentTimeMillis
      if (started._tag === "Failure") {
        if (failures >= options.restarts) return started.failure
        how = `did not start: ${started.failure.message}`
        continue
      }
      server = started.success
      yield* Effect.logWarning(`${options.name} serves again as process ${server.pid}; committed data is as it was`)
      how = yield* server.exited
    }
  })
  yield* Effect.forkScoped(Effect.flatMap(watch, (error) => Deferred.fail(lost, error)), { startImmediately: true })
  const kept: KeptServer<E | L> = { pid: () => server.pid, lost: Deferred.await(lost) }
  return kept
})

// a server that has run for this long has recovered
const recovered = 60_000

const restarts = Metric.counter("ostinato_embedded_postgres_restarts_total", {
  description: "Ends of the embedded server that nobody asked for",
  incremental: true
})
