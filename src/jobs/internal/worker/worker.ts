/** A worker put together: its lanes, its loops, its membership, and the stop that takes all of it down. */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Scheduler from "effect/Scheduler"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { hostname } from "node:os"
import * as CapturedContext from "../../../core/CapturedContext.ts"
import { CheckpointStore } from "../../../core/CheckpointStore.ts"
import * as Drain from "../../../core/Drain.ts"
import * as StageJournal from "../../../core/StageJournal.ts"
import { Supervisor } from "../../../core/Supervisor.ts"
import { QueueNotServed } from "../../JobError.ts"
import * as JobMetrics from "../../JobMetrics.ts"
import { JobStore } from "../../JobStore.ts"
import { logger } from "./capture.ts"
import { claimer, standby } from "./claiming.ts"
import * as crews from "./Crew.ts"
import { Engine } from "./Engine.ts"
import { finisher } from "./finishing.ts"
import * as holding from "./Holds.ts"
import { Lane } from "./Lane.ts"
import { reading } from "./mail.ts"
import * as patiences from "./patience.ts"
import * as reports from "./report.ts"
import { Sayings } from "./saying.ts"
import type { Served } from "./Served.ts"
import { type Stopped, stopping } from "./stopping.ts"

export interface Settings<R> {
  readonly queues: ReadonlyArray<{
    readonly name: string
    readonly concurrency: number
    /** Null: as the queue's pace says. */
    readonly prefetch: number | null
  }>
  readonly tasks: ReadonlyArray<string>
  readonly serve: (base: Context.Context<never>) => Effect.Effect<ReadonlyArray<Served>, never, R>
  readonly drain: Duration.Duration
  readonly grace: Duration.Duration
  readonly partial: boolean
  readonly node: string | undefined
  readonly maxResults: number
  /** Milliseconds that the store has for one answer. */
  readonly limit: number
}

/** Milliseconds of the longest sleep of a claimer, for each queue of the worker: all of them together ask 0.1 times a second. */
const idle = 10_000

export const open = Effect.fnUntraced(function*<R>(settings: Settings<R>) {
  const { drain, grace, maxResults, queues } = settings
  const store = yield* JobStore
  const supervisor = yield* Supervisor
  const checkpoints = Option.getOrNull(yield* Effect.serviceOption(CheckpointStore))
  const clock = yield* Clock.Clock
  const captured: Context.Context<never> = yield* CapturedContext.make<never>()
  const base = checkpoints === null || Context.get(captured, StageJournal.StageJournal) !== null
    ? captured
    : Context.add(captured, StageJournal.StageJournal, StageJournal.make(checkpoints))
  const name = `jobs of ${queues.map((queue) => queue.name).join(", ")}`
  const patience = patiences.make({ name, limit: settings.limit })

  if (!settings.partial) {
    for (const queue of queues) {
      const tasks = yield* patience.ask("look", store.tasksOf(queue.name))
      const missing = tasks.filter((task) => !settings.tasks.includes(task))
      if (missing.length > 0) return yield* new QueueNotServed({ queue: queue.name, tasks: missing })
    }
  }

  const served = yield* settings.serve(base)
  const sayings = new Sayings()
  const metrics = JobMetrics.make(base)
  const now = () => Number(clock.monotonicTimeNanosUnsafe()) / 1e6
  const holds = holding.make(store, patience, now)
  const engine: Engine = new Engine({
    lanes: queues.map((queue) => new Lane(queue.name, queue.concurrency, queue.prefetch)),
    served: new Map(served.map((one) => [one.name, one])),
    base,
    clock,
    dispatcher: Context.get(base, Scheduler.Scheduler).makeDispatcher(),
    report: reports.make(base),
    around: { store, checkpoints, logger, say: (live, value) => sayings.say(live, value) },
    holds: holds.of,
    isolate: (membership, job) => patience.ask("isolate", store.isolate(membership.member, job))
  })

  const scope = yield* Scope.make()
  const serves = Object.fromEntries(queues.map((queue) => [queue.name, settings.tasks]))
  const crew = yield* crews.make({
    name,
    engine,
    patience,
    supervisor,
    scope,
    member: store.join({ node: settings.node ?? hostname(), info: { pid: process.pid }, serves }),
    mail: (membership) => reading(membership, { engine, patience, store })
  })

  let closing: Deferred.Deferred<Stopped> | undefined
  const stop = Effect.uninterruptible(Effect.gen(function*() {
    if (closing !== undefined) return yield* Deferred.await(closing)
    closing = yield* Deferred.make<Stopped>()
    const stopped = yield* stopping(engine, crew, { drain, grace })
    yield* Drain.atMost("100 millis")(Scope.close(scope, yield* Effect.exit(Effect.void)))
    yield* Effect.logInfo(
      `${name}: stopped; of what it held ${stopped.completed} completed, ${stopped.handedBack} handed back, ${stopped.abandoned} abandoned`
    )
    if (stopped.unrecorded > 0) {
      yield* Effect.logError(
        `${name}: the store could not be told how ${stopped.unrecorded} attempts ended: they run again`
      )
    }
    yield* Deferred.succeed(closing, stopped)
    return stopped
  }))
  yield* Effect.addFinalizer(() => stop)

  yield* crew.join
  const idleMs = idle * queues.length
  const loop = (what: string, work: Effect.Effect<void>) =>
    Scope.provide(supervisor.start(`${name}: ${what}`, Effect.withTracerEnabled(work, false)), scope)
  yield* loop("membership", crew.keep)
  yield* loop(
    "finish",
    finisher({ crew, engine, patience, store, onFenced: ({ live }) => metrics.fenced(live.job.queue, 1) })
  )
  yield* loop("progress", sayings.loop(store, patience))
  yield* loop("holds", holds.watch)
  const claiming = { crew, engine, holds, idleMs, maxResults, patience, store }
  for (const lane of engine.lanes.values()) {
    yield* loop(
      `wake ${lane.name}`,
      Stream.runForEach(store.wakes(lane.name), () => Effect.sync(() => lane.noteJobs()))
    )
    yield* Scope.provide(store.standby(lane.name, standby(lane, claiming, base)), scope)
    yield* loop(`claim ${lane.name}`, claimer(lane, claiming))
  }
  return { engine, stop }
})
