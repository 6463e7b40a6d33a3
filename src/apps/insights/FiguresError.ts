/**
 * Why figures could not be read or written.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { SqlError } from "effect/sql/SqlError"
import * as SqlFault from "ostinato/store/SqlFault"

/** The figures could not be read or written. */
export class FiguresUnavailable extends Schema.TaggedError<FiguresUnavailable>()("FiguresUnavailable", {
  detail: Schema.String
}) {
  override get message() {
    return `the figures of Insights could not be reached in the database: ${this.detail}`
  }
}

/** What is stored does not have the form of figures. */
export class FiguresInvalid extends Schema.TaggedError<FiguresInvalid>()("FiguresInvalid", {
  detail: Schema.String
}) {
  override get message() {
    return `the stored figures of Insights have an unknown form; collecting the repository again may mend them: ${this.detail}`
  }
}

/** Why figures could not be read. */
export type ReadError = FiguresUnavailable | FiguresInvalid

/** What a statement failed with. */
export const unavailable = (error: SqlError) => new FiguresUnavailable({ detail: SqlFault.explain(error) })

/** Rows in the form of `row`, or `FiguresInvalid`. */
export const decoder = <S extends Schema.Codec<unknown, unknown>>(row: S) => {
  const decode = Schema.decodeUnknownEffect(Schema.Array(row))
  return (rows: Effect.Effect<ReadonlyArray<unknown>, SqlError>): Effect.Effect<ReadonlyArray<S["Type"]>, ReadError> =>
    Effect.flatMap(
      Effect.mapError(rows, unavailable),
      (rows) => Effect.mapError(decode(rows), (error) => new FiguresInvalid({ detail: error.message }))
    )
}
