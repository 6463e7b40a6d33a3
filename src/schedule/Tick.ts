/**
 * One due instant of a schedule, from its decision to the end of its work.
 *
 *   waiting --claimed by a node--> claimed --begins--> running --> completed | failed | interrupted | skipped
 *      |          ^                   |                   |
 *      |          +--its node is gone-+                   +--its node is gone--> abandoned
 *      +--overlap--> skipped
 *
 * `claimed` has not begun, so another node may take it; once begun it is never run again. Each claim has a number
 * (epoch), and a write that carries an older one does nothing.
 */
import type * as DateTime from "effect/DateTime"
import type * as Duration from "effect/Duration"
import * as Schema from "effect/Schema"
import { Origin } from "../core/RunContext.ts"
import { Trigger } from "../core/TaskRun.ts"

/**
 * How the work of a tick ended. `skipped` did not run, or its task decided not to; `interrupted` was stopped;
 * `abandoned` lost its process.
 *
 * @category models
 */
export const TickOutcome = Schema.Literals(["completed", "failed", "interrupted", "skipped", "abandoned"])

/**
 * @category models
 */
export type TickOutcome = typeof TickOutcome.Type

/**
 * @category models
 */
export interface TickKey {
  readonly schedule: string
  readonly tick: DateTime.Utc
}

/**
 * A tick as the store keeps it.
 *
 * @category models
 */
export interface Tick extends TickKey {
  readonly outcome: TickOutcome | null
  /** Why it was skipped or failed. */
  readonly detail: string | null
}

/**
 * How long ended ticks are kept, for each schedule. Ticks that have not ended always are.
 *
 * @category models
 */
export interface Retention {
  /** The newest ones. Defaults to `1000`. */
  readonly ticks?: number | undefined
  /** Since their end. Defaults to `90 days`. */
  readonly age?: Duration.Input | undefined
}

/**
 * Who asked for a run that the timetable did not.
 *
 * @category models
 */
export const Asked = Schema.Struct({ trigger: Trigger, origin: Origin })

/**
 * @category models
 */
export type Asked = typeof Asked.Type

/**
 * A tick that is the caller's to run.
 *
 * @category models
 */
export interface Claim extends TickKey {
  readonly epoch: number
  /** `null`: the timetable. */
  readonly asked: Asked | null
}

/**
 * A tick whose work has not ended.
 *
 * @category models
 */
export interface Unfinished {
  readonly tick: DateTime.Utc
  readonly state: "waiting" | "claimed" | "running"
  /** Milliseconds since it was asked to stop. */
  readonly stoppingMs: number | null
  readonly asked: Asked | null
}
