/**
 * How a handler ends its attempt by itself in another way than with a value or an error: a defect that nobody but the
 * worker looks for, so it passes through the error channel of whatever stands around it.
 */
import * as Cause from "effect/Cause"
import * as Schema from "effect/Schema"

/** Again after `delayMs`, unspent. */
export class Snoozed extends Schema.TaggedError<Snoozed>()("Snoozed", {
  delayMs: Schema.Finite,
  reason: Schema.String
}) {
  override get message() {
    return `snoozed for ${this.delayMs} ms: ${this.reason}`
  }
}

/** Never again. */
export class Discarded extends Schema.TaggedError<Discarded>()("Discarded", { reason: Schema.String }) {
  override get message() {
    return `discarded: ${this.reason}`
  }
}

/** The payload cannot be read by this process. */
export class Undecodable extends Schema.TaggedError<Undecodable>()("Undecodable", { detail: Schema.String }) {
  override get message() {
    return `the payload does not fit the task's Schema: ${this.detail}`
  }
}

/** The signal behind a Cause, if there is one. */
export const signalled = (cause: Cause.Cause<unknown>): Snoozed | Discarded | Undecodable | undefined => {
  for (const reason of cause.reasons) {
    if (!Cause.isDieReason(reason)) continue
    const { defect } = reason
    if (defect instanceof Snoozed || defect instanceof Discarded || defect instanceof Undecodable) return defect
  }
  return undefined
}
