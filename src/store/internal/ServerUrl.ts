/**
 * How other processes of the same user find the embedded server that one process runs: its URL in a private file of
 * the data directory, there only while the server is.
 *
 * A file that a killed owner left behind names a socket that is gone, so a joiner fails to connect and says so.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import * as Redacted from "effect/Redacted"

const file = (directory: string) => Path.Path.use((path) => Effect.succeed(path.join(directory, "postgres.url")))

/** Writes the URL until the scope closes. */
export const publish = Effect.fnUntraced(function*(directory: string, url: Redacted.Redacted) {
  const fs = yield* FileSystem.FileSystem
  const target = yield* file(directory)
  yield* Effect.acquireRelease(
    Effect.andThen(
      fs.writeFileString(`${target}.new`, Redacted.value(url), { mode: 0o600 }),
      fs.rename(`${target}.new`, target)
    ),
    () => Effect.ignore(fs.remove(target, { force: true }))
  )
})

/** The URL of the server that runs on this directory, if its owner has published one. */
export const read = Effect.fnUntraced(function*(directory: string) {
  const fs = yield* FileSystem.FileSystem
  return yield* fs.readFileString(yield* file(directory)).pipe(
    Effect.map((url) => Redacted.make(url, { label: "url" })),
    Effect.option,
    Effect.map(Option.getOrUndefined)
  )
})
