/** What an interruption leaves behind, at whatever step it comes: nothing that nobody holds. */
import { describe } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Random from "effect/Random"
import { Dispatch, HotResource, MemoryRunLog, RunLog, Task, TaskPool, TaskRun } from "ostinato"
import { simulated } from "../simulation/seeds.ts"

/** Runs a program and interrupts it at one of its first steps. */
const interrupted = <A, E, R>(program: Effect.Effect<A, E, R>, steps: number) =>
  Effect.gen(function*() {
    const fiber = yield* Effect.forkChild(program)
    yield* Effect.repeat(Effect.yieldNow, { times: yield* Random.nextIntBetween(0, steps) })
    yield* Fiber.interrupt(fiber)
  })

const Endless = Task.fn("interruption.endless", {}, () => Effect.never)

const noRunIsOpen = Effect.flatMap(
  RunLog.RunLog,
  (log) => Effect.map(log.list({}), (runs) => runs.every(({ status }) => !TaskRun.isOpen(status)))
)

const nothingRuns = (pool: TaskPool.TaskPool) =>
  Effect.map(pool.figures, ({ blocked, running, waiting }) => blocked + running + waiting === 0)

class Connection extends Context.Service<Connection, number>()("ostinato/test/core/Interruption.test/Connection") {}

describe("interruption", () => {
  simulated(
    "S0.15 a run whose caller is interrupted while the log takes it has ended in the log",
    Effect.andThen(interrupted(Dispatch.here(Endless, {}, { kind: "code" }), 40), noRunIsOpen).pipe(
      Effect.provide(MemoryRunLog.layer())
    ),
    300
  )

  simulated(
    "S2.11 work of whoever is interrupted while a pool accepts it does not go on in the pool",
    Effect.gen(function*() {
      const pool = yield* TaskPool.make({ name: "interruption", capacity: 1, maxWaiting: "none", drain: 0 })
      const busy = yield* pool.submit(Effect.never)
      yield* Effect.forkChild(busy.cancel)
      yield* interrupted(pool.run(Effect.never), 40)
      yield* Effect.exit(busy.await)
      return yield* nothingRuns(pool)
    }),
    300
  )

  simulated(
    "S2.11 a run of whoever is interrupted while a pool accepts it is in the log what it is in the pool",
    Effect.gen(function*() {
      const pool = yield* TaskPool.make({ name: "interruption", capacity: 1, maxWaiting: "none", drain: 0 })
      const busy = yield* pool.submit(Effect.never)
      yield* Effect.forkChild(busy.cancel)
      yield* interrupted(Dispatch.pool(pool)(Endless, {}, { kind: "code" }), 40)
      yield* Effect.exit(busy.await)
      yield* Effect.sleep("1 second")
      return (yield* noRunIsOpen) === (yield* nothingRuns(pool))
    }).pipe(Effect.provide(MemoryRunLog.layer())),
    300
  )

  simulated(
    "S3.35 an exchange that is interrupted leaves nothing open that does not serve",
    Effect.gen(function*() {
      const open = new Set<number>()
      const build = (key: number) =>
        Layer.effect(
          Connection,
          Effect.acquireRelease(
            Effect.sync(() => {
              open.add(key)
              return key
            }),
            () => Effect.sync(() => void open.delete(key))
          )
        )
      const resource = yield* HotResource.make({ name: "connection", initial: 1, build })
      yield* interrupted(resource.switchTo(2), 120)
      yield* resource.settled
      const { key } = yield* resource.current
      return open.size === 1 && open.has(key)
    }),
    600
  )
})
