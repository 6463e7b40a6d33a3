/**
 * The state machine behind `TaskScheduler`: what a start builds, and how a stop takes it down.
 *
 * A start has two scopes: `intake` holds the loops that decide, `work` the drain and the heartbeat of leases, which
 * outlive them.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import * as CapturedContext from "../../core/CapturedContext.ts"
import * as Drain from "../../core/Drain.ts"
import * as Sleeper from "../../core/Sleeper.ts"
import { Supervisor } from "../../core/Supervisor.ts"
import type { PeriodicTask } from "../PeriodicTask.ts"
import { type Schedule, ScheduleStore } from "../ScheduleStore.ts"
import type { Options, Report, Status, TaskScheduler } from "../TaskScheduler.ts"
import * as TickRunner from "../TickRunner.ts"
import * as control from "./control.ts"
import * as entries from "./entry.ts"
import * as outages from "./outage.ts"
import * as registration from "./registration.ts"
import * as ticking from "./ticking.ts"
import * as watch from "./watch.ts"

/** What a start builds. */
interface Cycle<R> {
  readonly intake: Scope.Closeable
  readonly work: Scope.Closeable
  readonly ticking: ticking.Ticking<R>
}

interface Loop {
  readonly scope: Scope.Closeable
  /** Ends its sleep; nothing until it has one. */
  wake: Effect.Effect<void>
}

const nothing: Report = { completed: 0, interrupted: [], abandoned: [], timedOut: [] }

export const make = Effect.fnUntraced(function*<R>(schedules: ReadonlyArray<PeriodicTask<R>>, options: Options<R>) {
  const store = yield* ScheduleStore
  const supervisor = yield* Supervisor
  const context = yield* CapturedContext.make<R>()
  const outage = outages.make()
  const enabled = options.enabled ?? true
  const poll = Duration.fromInputUnsafe(options.poll ?? store.poll)
  const hold = Duration.max(Duration.times(poll, 3), Duration.seconds(30))
  const tasks = new Map((options.schedulable ?? []).map((one) => [one.task, one]))
  const code = new Map(schedules.map((periodic) => [periodic.name, entries.ofCode(periodic)]))
  const loops = new Map<string, Loop>()
  let look = Effect.void
  let phase: "stopped" | "running" | "stopping" = "stopped"
  let cycle: Cycle<R> | undefined

  const wake = (name: string) => Effect.suspend(() => loops.get(name)?.wake ?? Effect.void)
  const runner = TickRunner.make(store, wake)

  const knows = (schedule: Schedule) => schedule.source === "code" ? code.has(schedule.name) : tasks.has(schedule.task)
  const entryOf = (schedule: Schedule) =>
    schedule.source === "code" ? code.get(schedule.name) : entries.ofStored(schedule.name, tasks)

  const begin = Effect.fnUntraced(function*({ intake, ticking: into }: Cycle<R>, entry: entries.Entry<R>) {
    const loop: Loop = { scope: yield* Scope.fork(intake), wake: Effect.void }
    loops.set(entry.name, loop)
    const turning = Effect.gen(function*() {
      const sleeper = yield* Sleeper.make
      loop.wake = sleeper.wake
      yield* registration.registered(store, entry, enabled)
      return yield* ticking.loop(into, entry, sleeper, outage)
    }).pipe(
      outage.patient,
      entry.definition === undefined ? Effect.catchTag("ScheduleNotFound", () => Effect.never) : again,
      Effect.annotateLogs({ schedule: entry.name }),
      Effect.withTracerEnabled(false)
    )
    yield* Scope.provide(supervisor.start(`schedule ${entry.name}`, turning), loop.scope)
  })

  const end = (name: string) =>
    Effect.suspend(() => {
      const loop = loops.get(name)
      loops.delete(name)
      return loop === undefined ? Effect.void : Scope.close(loop.scope, Exit.void)
    })

  const watcher = (current: Cycle<R>) => {
    const apply = watch.make({
      has: (name) => loops.has(name),
      knows,
      begin: (schedule) => {
        const entry = entryOf(schedule)
        return entry === undefined ? Effect.void : begin(current, entry)
      },
      end,
      wake,
      stored: () => Array.from(loops.keys()).filter((name) => !code.has(name))
    }, enabled)
    return Effect.flatMap(Sleeper.make, (sleeper) => {
      look = sleeper.wake
      return Effect.suspend(() => store.look([...code.keys(), ...loops.keys()], hold)).pipe(
        outage.patient,
        Effect.flatMap(({ now, schedules }) => apply(schedules, now)),
        Effect.andThen(sleeper.sleep(poll)),
        Effect.forever
      )
    }).pipe(Effect.withTracerEnabled(false))
  }

  const start = Effect.uninterruptible(Effect.gen(function*() {
    if (phase !== "stopped") return yield* Effect.logWarning(`the scheduler is ${phase} already: start was ignored`)
    phase = "running"
    const intake = yield* Scope.make()
    const work = yield* Scope.make()
    const drain = yield* Scope.provide(Drain.make({ drain: options.drain ?? "25 seconds", grace: options.grace }), work)
    const current = { intake, work, ticking: { store, runner, context, drain, fires: enabled } }
    cycle = current
    yield* Scope.provide(supervisor.start("schedule leases", runner.heartbeat), work)
    for (const entry of code.values()) yield* begin(current, entry)
    yield* Scope.provide(supervisor.start("schedules", watcher(current)), intake)
  }))

  const stop = Effect.uninterruptible(Effect.gen(function*() {
    if (cycle === undefined || phase !== "running") return nothing
    const { intake, ticking: { drain }, work } = cycle
    phase = "stopping"
    yield* Scope.close(intake, Exit.void)
    loops.clear()
    const report = yield* drain.close
    const timedOut = [...report.interrupted, ...report.abandoned]
    if (timedOut.length > 0) {
      yield* Effect.logWarning(
        `stopped with work cut short: interrupted [${report.interrupted.join(", ")}], abandoned [${
          report.abandoned.join(", ")
        }]`
      )
    }
    yield* Scope.close(work, Exit.void)
    cycle = undefined
    phase = "stopped"
    return { ...report, timedOut }
  }))

  const status = Effect.sync((): Status => enabled || phase === "stopping" ? phase : "disabled")

  yield* Effect.addFinalizer(() => stop)
  const service: TaskScheduler["Service"] = {
    start,
    stop,
    status,
    isRunning: Effect.sync(() => enabled && phase !== "stopped"),
    ...control.make({
      store,
      tasks,
      code,
      entryOf,
      status,
      fires: () => enabled && phase === "running",
      ticking: () => phase === "running" ? cycle?.ticking : undefined,
      wake,
      look: Effect.suspend(() => look)
    })
  }
  return service
})

/** A schedule of the code that somebody deleted from the store comes back. */
const again = <A, E extends { readonly _tag: string }, R>(turning: Effect.Effect<A, E, R>) =>
  Effect.retry(turning, { while: (error) => error._tag === "ScheduleNotFound" })
