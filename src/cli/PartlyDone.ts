/**
 * Something was done for some of what was asked, and not for the rest. Ends the command with code 2.
 */
import * as Schema from "effect/Schema"

/** What was printed has told the rest. */
export class PartlyDone extends Schema.TaggedError<PartlyDone>()("PartlyDone", { detail: Schema.String }) {
  override get message() {
    return this.detail
  }
}

/** Nothing was done for anything, because nothing is in a state for it. Ends the command with code 4. */
export class NothingDone extends Schema.TaggedError<NothingDone>()("NothingDone", { detail: Schema.String }) {
  override get message() {
    return this.detail
  }
}
