/**
 * The command line asks for something that cannot be understood.
 */
import * as Schema from "effect/Schema"

/** Ends the command with code 64. */
export class UsageError extends Schema.TaggedError<UsageError>()("UsageError", { detail: Schema.String }) {
  override get message() {
    return this.detail
  }
}
