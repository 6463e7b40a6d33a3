/** The one task of the suite `jobs`: what its jobs are asked to do, and how they fail. */
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Task from "ostinato/core/Task"
import { Payload } from "./model.ts"

/** A first attempt that is meant to fail. */
export class Planned extends Schema.TaggedError<Planned>()("Planned", {}) {}

/** The database was not there for the job's own statements. */
export class Away extends Schema.TaggedError<Away>()("Away", { detail: Schema.String }) {}

/** An attempt that was over for the database tried to commit. */
export class Refused extends Schema.TaggedError<Refused>()("Refused", { detail: Schema.String }) {}

/** What every job of the suite does. */
export const Work = Task.make("prove.work", {
  payload: Payload.fields,
  error: Schema.Union([Planned, Away, Refused]),
  retry: Schedule.spaced("500 millis")
})
