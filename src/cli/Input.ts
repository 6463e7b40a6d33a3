/**
 * JSON on the command line.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { UsageError } from "./UsageError.ts"

const decode = Schema.decodeEffect(Schema.fromJsonString(Schema.Json))

/** What a flag was given. */
export const json = (flag: string, text: string): Effect.Effect<Schema.Json, UsageError> =>
  Effect.mapError(decode(text), () => new UsageError({ detail: `${flag} is not JSON: ${text}` }))
