/**
 * The tables of schedules, and how their rows are read.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import { DatabaseSchema } from "../../../store/DatabaseSchema.ts"
import type { Line } from "../../../store/Migration.ts"
import { Schedule } from "../../ScheduleStore.ts"
import { Asked, TickOutcome } from "../../Tick.ts"
import * as Timetable from "../../Timetable.ts"

export const migrations: Line = {
  name: "schedule",
  steps: {
    "0001_schedule": Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const s = sql(yield* DatabaseSchema)
      yield* sql`
        CREATE TABLE ${s}.schedule (
          name text PRIMARY KEY,
          task text NOT NULL,
          timetable jsonb NOT NULL,
          last_tick timestamptz,
          next_tick timestamptz NOT NULL
        )`
      yield* sql`
        CREATE TABLE ${s}.tick (
          schedule text NOT NULL REFERENCES ${s}.schedule (name),
          tick timestamptz NOT NULL,
          fired_at timestamptz NOT NULL DEFAULT now(),
          lease_until timestamptz,
          finished_at timestamptz,
          outcome text,
          detail text,
          PRIMARY KEY (schedule, tick)
        )`
      yield* sql`CREATE INDEX tick_open ON ${s}.tick (schedule) WHERE finished_at IS NULL`
    }),
    "0002_policies": Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const s = sql(yield* DatabaseSchema)
      yield* sql`
        ALTER TABLE ${s}.schedule
          ALTER next_tick DROP NOT NULL,
          ADD progress jsonb NOT NULL DEFAULT '{"phase":"waiting","tick":null,"steps":null}',
          ADD source text NOT NULL DEFAULT 'code',
          ADD tenant text,
          ADD policy jsonb NOT NULL DEFAULT '{"overlap":"skip","missed":"last","jitterMs":0}',
          ADD payload jsonb,
          ADD paused boolean NOT NULL DEFAULT false,
          ADD revision int NOT NULL DEFAULT 1,
          ADD delay_ms int,
          ADD seen_until timestamptz NOT NULL DEFAULT now()`
      yield* sql`
        ALTER TABLE ${s}.tick
          DROP CONSTRAINT tick_schedule_fkey,
          ADD FOREIGN KEY (schedule) REFERENCES ${s}.schedule (name) ON DELETE CASCADE,
          ADD asked jsonb,
          ADD epoch int NOT NULL DEFAULT 0,
          ADD begun_at timestamptz,
          ADD stop_at timestamptz`
      yield* sql`UPDATE ${s}.tick SET begun_at = fired_at, epoch = 1 WHERE lease_until IS NOT NULL`
    })
  }
}

const ScheduleRow = Schema.Struct({
  ...Schedule.fields,
  lastTick: Schema.NullOr(Schema.DateTimeUtcFromDate),
  nextTick: Schema.NullOr(Schema.DateTimeUtcFromDate),
  now: Schema.DateTimeUtcFromDate
})

export const decodeSchedule = Schema.decodeUnknownEffect(ScheduleRow)

/** Those that this version can read. One that it cannot, as a newer one wrote it, hides no other; it is told once. */
export const readable = Effect.fnUntraced(function*(rows: ReadonlyArray<{ readonly name: string }>, told: Set<string>) {
  const read: Array<Schedule> = []
  for (const row of rows) {
    const schedule = yield* Effect.result(decodeSchedule(row))
    if (schedule._tag === "Success") read.push(new Schedule(schedule.success))
    else if (!told.has(row.name)) {
      told.add(row.name)
      yield* Effect.logWarning(`schedule ${row.name} cannot be read and is left out: ${schedule.failure.message}`)
    }
  }
  return read
})

export const decodeUnfinished = Schema.decodeUnknownEffect(Schema.Array(Schema.Struct({
  tick: Schema.DateTimeUtcFromDate,
  state: Schema.Literals(["waiting", "claimed", "running"]),
  isLost: Schema.Boolean,
  stoppingMs: Schema.NullOr(Schema.Finite),
  asked: Schema.NullOr(Schema.toCodecJson(Asked))
})))

export const decodeClaims = Schema.decodeUnknownEffect(Schema.Array(Schema.Struct({
  schedule: Schema.String,
  tick: Schema.DateTimeUtcFromDate,
  epoch: Schema.Int,
  asked: Schema.NullOr(Schema.toCodecJson(Asked))
})))

export const decodeTicks = Schema.decodeUnknownEffect(Schema.Array(Schema.Struct({
  schedule: Schema.String,
  tick: Schema.DateTimeUtcFromDate,
  outcome: Schema.NullOr(TickOutcome),
  detail: Schema.NullOr(Schema.String)
})))

export const encodeAsked = Schema.encodeEffect(Schema.toCodecJson(Schema.NullOr(Asked)))

export const encodeProgress = Schema.encodeEffect(Schema.toCodecJson(Timetable.Place.fields.progress))
