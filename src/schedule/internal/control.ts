/**
 * What people and programs ask of schedules: run now, pause, resume, list, save, remove. A tenant reaches its own only.
 */
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import { RunContext } from "../../core/RunContext.ts"
import type { Trigger } from "../../core/TaskRun.ts"
import * as Decide from "../Decide.ts"
import { policy, type Schedulable } from "../PeriodicTask.ts"
import { problemOf } from "../SchedulePolicy.ts"
import { ScheduleInCode, ScheduleInvalid, SchedulerNotRunning } from "../ScheduleRefused.ts"
import { type Schedule, ScheduleNotFound, type ScheduleStore } from "../ScheduleStore.ts"
import type { RunNow, Status, StoredSchedule, TaskScheduler } from "../TaskScheduler.ts"
import * as Timetable from "../Timetable.ts"
import type { Entry } from "./entry.ts"
import { timetableOf } from "./place.ts"
import * as ticking from "./ticking.ts"

export interface Around<R> {
  readonly store: ScheduleStore["Service"]
  readonly tasks: ReadonlyMap<string, Schedulable<R>>
  readonly code: ReadonlyMap<string, Entry<R>>
  readonly entryOf: (schedule: Schedule) => Entry<R> | undefined
  readonly status: Effect.Effect<Status>
  /** Whether ticks of timetables fire now. */
  readonly fires: () => boolean
  /** Where work goes; none where none is taken. */
  readonly ticking: () => ticking.Ticking<R> | undefined
  readonly wake: (name: string) => Effect.Effect<void>
  /** Lets the process look at the store now. */
  readonly look: Effect.Effect<void>
}

type Control = Omit<TaskScheduler["Service"], "start" | "stop" | "status" | "isRunning">

export const make = <R>(
  { code, entryOf, fires, look, status, store, tasks, ticking: work, wake }: Around<R>
): Control => {
  const list = Effect.flatMap(RunContext, ({ tenant }) =>
    Effect.map(
      store.list,
      (schedules) => tenant === null ? schedules : schedules.filter((schedule) => schedule.tenant === tenant)
    ))

  const find = Effect.fnUntraced(function*(name: string) {
    const { tenant } = yield* RunContext
    const found = (yield* list).find((schedule) => schedule.name === name || schedule.name === keyOf(tenant, name))
    if (found !== undefined) return found
    // one of the code whose loop has not come to it yet
    const definition = tenant === null ? code.get(name)?.definition : undefined
    return definition === undefined
      ? yield* new ScheduleNotFound({ name })
      : yield* Effect.mapError(
        store.register(definition),
        (error) => error._tag === "ScheduleTaken" ? new ScheduleNotFound({ name }) : error
      )
  })

  const setPaused = (paused: boolean) => (name: string) =>
    Effect.gen(function*() {
      const schedule = yield* find(name)
      const random = yield* Random.next
      const timetable = code.get(schedule.name)?.timetable
      yield* store.advance(schedule.name, Decide.decide({ timetable, fires: fires(), runs: false, paused, random }))
      yield* wake(schedule.name)
    })

  const runNow = Effect.fnUntraced(function*(name: string, options?: { readonly trigger?: Trigger | undefined }) {
    const origin = yield* RunContext
    const schedule = yield* find(name)
    const entry = entryOf(schedule)
    const into = work()
    if (into === undefined) return yield* new SchedulerNotRunning({ status: yield* status })
    if (entry === undefined) return yield* new ScheduleNotFound({ name })
    const asked = { trigger: options?.trigger ?? { kind: "code" as const }, origin }
    const answer = yield* ticking.ask(into, entry, { extra: asked })
    const extra = answer?.plan.extra ?? null
    if (answer === undefined || extra === null) return yield* new SchedulerNotRunning({ status: yield* status })
    const { skipped: reason, starts, tick } = extra
    return {
      schedule: schedule.name,
      tick,
      decision: reason !== null ? "skipped" : starts ? "started" : "waiting",
      reason,
      ended: starts ? answer.ended : Effect.void
    } satisfies RunNow
  })

  const save = Effect.fnUntraced(function*(schedule: StoredSchedule) {
    const { tenant } = yield* RunContext
    const invalid = (detail: string) => new ScheduleInvalid({ name: schedule.name, detail })
    const task = tasks.get(schedule.task)
    if (!/^\S(.{0,198}\S)?$/.test(schedule.name)) {
      return yield* invalid("a name has 1 to 200 characters and no space at its ends")
    }
    if (task === undefined) {
      const known = Array.from(tasks.keys()).join(", ")
      return yield* invalid(`no task "${schedule.task}" may be scheduled. There are: ${known === "" ? "none" : known}`)
    }
    const payload = schedule.payload ?? {}
    yield* Effect.mapError(task.check(payload), (error) => invalid(error.message))
    const rules = policy(schedule)
    const problem = problemOf(rules)
    if (problem !== undefined) return yield* invalid(problem)
    const saved = yield* store.register({
      name: keyOf(tenant, schedule.name),
      task: schedule.task,
      timetable: schedule.timetable,
      policy: rules,
      source: "stored",
      tenant,
      payload
    })
    yield* look
    return saved
  })

  const remove = Effect.fnUntraced(function*(name: string) {
    const schedule = yield* find(name)
    if (schedule.source === "code" && !schedule.orphaned) return yield* new ScheduleInCode({ name })
    yield* store.remove(schedule.name)
    yield* look
  })

  return {
    list,
    runNow,
    pause: setPaused(true),
    resume: setPaused(false),
    save,
    remove,
    upcoming: (name, count) =>
      Effect.flatMap(find(name), (schedule) => {
        const timetable = timetableOf(schedule.timetable, code.get(schedule.name)?.timetable)
        return timetable === undefined || schedule.paused
          ? Effect.succeed([])
          : Timetable.upcoming(timetable, schedule, count)
      })
  }
}

/** Names of a tenant's schedules do not meet those of another one. */
const keyOf = (tenant: string | null, name: string) => tenant === null ? name : `${encodeURIComponent(tenant)}/${name}`
