/** What the parts of the suite `schedule` agree on. */

/** The schedules of every node. */
export const names: ReadonlyArray<string> = ["prove.a", "prove.b", "prove.c", "prove.d"]

/** Milliseconds between two ticks of a schedule. */
export const everyMs = 200

/** A line of a node's file. */
export interface Line {
  readonly op: "begin" | "end"
  /** Name of the process that ran it, another one after every restart. */
  readonly node: string
  readonly schedule: string
  /** ISO-8601. */
  readonly tick: string
}

/** A tick as the database has it. */
export interface Row {
  readonly schedule: string
  /** ISO-8601. */
  readonly tick: string
  /** `null` while its work has not ended. */
  readonly outcome: string | null
}

/** What was done to the system. */
export interface Faults {
  readonly kills: number
  readonly pauses: number
  readonly restarts: number
  readonly crashes: number
}
