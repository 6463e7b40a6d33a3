/**
 * Makes a schedule of the code known to the store, and says so.
 */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import type { ScheduleStore } from "../ScheduleStore.ts"
import * as Timetable from "../Timetable.ts"
import type { Entry } from "./entry.ts"

export const registered = Effect.fnUntraced(
  function*<R>(store: ScheduleStore["Service"], { definition }: Entry<R>, fires: boolean) {
    if (definition === undefined) return
    yield* store.register(definition)
    if (!fires) return
    const { timetable } = definition
    const when = timetable._tag === "Every"
      ? `interval=${timetable.everyMs / 1000}s`
      : `timetable="${Timetable.describe(timetable)}"`
    yield* Effect.logInfo(`scheduler.started ${when}`)
    for (const warning of Timetable.warnings(timetable, yield* DateTime.now)) yield* Effect.logWarning(warning)
  }
)
