/**
 * A schedule that this process can run: from its code, or stored and of a task that it knows.
 */
import * as Effect from "effect/Effect"
import * as RunGate from "../../core/RunGate.ts"
import type { Mode, PeriodicTask, Schedulable } from "../PeriodicTask.ts"
import type { Definition, Schedule } from "../ScheduleStore.ts"
import type { Start } from "../TickRunner.ts"
import type * as Timetable from "../Timetable.ts"

export interface Entry<out R> {
  readonly name: string
  /** What to register; none where it is stored. */
  readonly definition: Definition | undefined
  readonly timetable: Timetable.Timetable | undefined
  readonly runOnStart: boolean
  readonly mode: (schedule: Schedule) => Mode
  /** Whether its dispatch asks the gate of a run. */
  readonly asks: (schedule: Schedule) => boolean
  readonly start: Start<R>
}

export const ofCode = <R>(periodic: PeriodicTask<R>): Entry<R> => ({
  name: periodic.name,
  definition: {
    name: periodic.name,
    task: periodic.task,
    timetable: periodic.timetable,
    policy: periodic.policy,
    source: "code",
    tenant: null,
    payload: null
  },
  timetable: periodic.timetable,
  runOnStart: periodic.runOnStart,
  mode: () => periodic.mode,
  asks: () => RunGate.asks(periodic.dispatch),
  start: (trigger) => periodic.dispatch(trigger)
})

export const ofStored = <R>(name: string, tasks: ReadonlyMap<string, Schedulable<R>>): Entry<R> => ({
  name,
  definition: undefined,
  timetable: undefined,
  runOnStart: false,
  mode: ({ task }) => tasks.get(task)?.mode ?? "run",
  asks: ({ task }) => RunGate.asks(tasks.get(task)?.dispatch ?? {}),
  start: (trigger, { payload, task }: Schedule) => {
    const known = tasks.get(task)
    return known === undefined
      ? Effect.fail({ message: `this process does not know the task ${task}` })
      : known.dispatch(payload, trigger)
  }
})
