/**
 * The database schema that holds the tables of the house, so that several instances share a database and do not see one
 * another.
 *
 * It is read where a store is built, never where it is used: a store keeps its schema whatever context its methods are
 * called in. The name goes into statements as a quoted identifier only.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Runtime from "effect/Runtime"
import * as Schema from "effect/Schema"

/**
 * Name of the schema. Defaults to `ostinato`. `Database.layer({ schema })` sets it for everything built on it.
 *
 * @category references
 */
export const DatabaseSchema: Context.Reference<string> = Context.Reference("ostinato/store/DatabaseSchema", {
  defaultValue: () => "ostinato"
})

/**
 * The name cannot be that of a schema of ours.
 *
 * @category errors
 */
export class SchemaNameInvalid extends Schema.TaggedError<SchemaNameInvalid>()("SchemaNameInvalid", {
  name: Schema.String
}) {
  override get message() {
    return `${JSON.stringify(this.name)} cannot be the name of a database schema here: ` +
      "use 1 to 48 small letters, digits and _, not beginning with a digit or with pg_"
  }
  override get [Runtime.errorExitCode]() {
    return 78
  }
}

/**
 * The name, if it can be used.
 *
 * @category combinators
 */
export const check = (name: string): Effect.Effect<string, SchemaNameInvalid> =>
  /^(?!pg_)[a-z_][a-z0-9_]{0,47}$/.test(name) ? Effect.succeed(name) : Effect.fail(new SchemaNameInvalid({ name }))

/**
 * Sets the name for everything that is built on this Layer.
 *
 * @category layers
 */
export const layer = (name: string): Layer.Layer<never, SchemaNameInvalid> => Layer.effect(DatabaseSchema, check(name))
