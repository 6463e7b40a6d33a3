/**
 * The command that runs one seed of one test again.
 */
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import { fileURLToPath } from "node:url"

const own = /\/(src|dist)\/testing\/[^/]+$/

/**
 * The file that called into this room, relative to the working directory where it lies below it.
 *
 * @category constructors
 */
export const caller = (): string | undefined => {
  const lines = (new Error("where").stack ?? "").split("\n").slice(1)
  const files = lines.flatMap((line) => /\(?((?:file:\/\/)?\/[^()]+?)(?:\?[^:]*)?:\d+:\d+\)?$/.exec(line)?.[1] ?? [])
  const file = files.find((file) => !own.test(file) && !file.includes("/node_modules/"))
  if (file === undefined) return undefined
  const path = file.startsWith("file:") ? fileURLToPath(file) : file
  const here = `${process.cwd()}/`
  return path.startsWith(here) ? path.slice(here.length) : path
}

/**
 * The command line, for a POSIX shell.
 *
 * @category constructors
 */
export const make = (test: {
  readonly file: string | undefined
  readonly name: string
  readonly seed: number
  readonly command: string | undefined
}): Effect.Effect<string> =>
  Effect.map(Effect.orDie(Config.option(Config.String("VITEST"))), (vitest) => {
    const file = test.file === undefined ? "" : ` ${quoted(test.file)}`
    const name = quoted(test.name.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`))
    return vitest._tag === "Some" || test.command !== undefined
      ? `OSTINATO_SEED=${test.seed} ${test.command ?? "npx vitest run"}${file} -t ${name}`
      : `OSTINATO_SEED=${test.seed} node --test --test-name-pattern=${name}${file}`
  })

const quoted = (text: string): string =>
  /^[\w./-]+$/.test(text) ? text : /["$`\\!]/.test(text) ? `'${text.replaceAll("'", String.raw`'\''`)}'` : `"${text}"`
