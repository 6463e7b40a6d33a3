/** What the parts of the suite `schedule` agree on. */
import * as Schema from "effect/Schema"

/** The schedules of every node. */
export const names: ReadonlyArray<string> = ["prove.a", "prove.b", "prove.c", "prove.d"]

/** Milliseconds between two ticks of a schedule. */
export const everyMs = 200

/** A line of a node's file. */
export const Line = Schema.Struct({
  op: Schema.Literals(["begin", "end"]),
  /** Name of the process that ran it, another one after every restart. */
  node: Schema.String,
  schedule: Schema.String,
  /** ISO-8601. */
  tick: Schema.String
})

/** A line of a node's file. */
export type Line = typeof Line.Type

/** A tick as the database has it. */
export interface Row {
  readonly schedule: string
  /** ISO-8601. */
  readonly tick: string
  /** `null` while its work has not ended. */
  readonly outcome: string | null
  readonly detail: string | null
  /** Whether it was written down that its work begins: the last thing before the first step of the work. */
  readonly begun: boolean
  /** Processes that have a run of it in the log. */
  readonly pids: ReadonlyArray<number>
}
