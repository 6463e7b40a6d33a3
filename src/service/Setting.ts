/**
 * Values from environment variables: read once, checked, and all problems told together.
 *
 * A setting that is not valid never becomes a default in silence: it is named with what it should be. The service and
 * an application each describe their settings; whoever starts both joins them with `struct`, so that one start tells
 * what is wrong in either.
 */
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"

/**
 * A setting, or several: reading it gives the value, or one sentence for each problem.
 *
 * @category models
 */
export type Setting<A> = Effect.Effect<Result.Result<A, ReadonlyArray<string>>>

/**
 * Reads the text of a variable, or says in a sentence what is wrong with it. Texts are trimmed.
 *
 * @category models
 */
export type Parse<A> = (text: string) => Result.Result<A, string>

/**
 * One or more values are not valid. Nothing was started.
 *
 * @category errors
 */
export class ConfigInvalid extends Schema.TaggedError<ConfigInvalid>()("ConfigInvalid", {
  /** One sentence per value: which variable, which value, what it should be. Secrets are never shown. */
  problems: Schema.Array(Schema.String)
}) {
  override get message() {
    return this.problems.join("\n")
  }
}

/**
 * The first of these variables that is set, else the default.
 *
 * @category constructors
 */
export const make = <A>(names: readonly [string, ...ReadonlyArray<string>], options: {
  readonly default: A
  readonly parse: Parse<A>
  /** Whether a variable that is set but empty counts as unset. Defaults to `true`. */
  readonly emptyIsUnset?: boolean | undefined
}): Setting<A> =>
  Effect.gen(function*() {
    for (const name of names) {
      const found = yield* Effect.orElseSucceed(Config.option(Config.String(name)), () => Option.none<string>())
      if (Option.isNone(found)) continue
      const text = found.value.trim()
      if (text === "" && options.emptyIsUnset !== false) continue
      return Result.mapError(options.parse(text), (problem) => [`${name}: ${problem}`])
    }
    return Result.succeed(options.default)
  })

/**
 * Several settings as one, with the problems of all of them in this order.
 *
 * @category combinators
 */
export const struct = <A extends object>(settings: { readonly [K in keyof A]: Setting<A[K]> }): Setting<A> =>
  Effect.gen(function*() {
    const problems: Array<string> = []
    const values: Partial<A> = {}
    for (const key in settings) {
      const read = yield* settings[key]
      if (Result.isSuccess(read)) values[key] = read.success
      else problems.push(...read.failure)
    }
    // without problems every key has its value
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- as said
    return problems.length > 0 ? Result.fail(problems) : Result.succeed(values as A)
  })

/**
 * Reads everything, or fails with every problem.
 *
 * @category combinators
 */
export const load = <A>(setting: Setting<A>): Effect.Effect<A, ConfigInvalid> =>
  Effect.flatMap(
    setting,
    (read) => Result.isSuccess(read) ? Effect.succeed(read.success) : new ConfigInvalid({ problems: read.failure })
  )

/**
 * Takes any text as it is.
 *
 * @category parsers
 */
export const text: Parse<string> = Result.succeed

/**
 * Takes `true`, `1`, `yes`, `on` and their opposites, in any case.
 *
 * @category parsers
 */
export const flag: Parse<boolean> = (text) =>
  /^(true|1|yes|on)$/i.test(text)
    ? Result.succeed(true)
    : /^(false|0|no|off)$/i.test(text)
    ? Result.succeed(false)
    : Result.fail(`"${text}" is neither true nor false`)
