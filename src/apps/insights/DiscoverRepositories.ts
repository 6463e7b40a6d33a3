/**
 * The stage that finds out which repositories there are to collect: `insights.discover`.
 *
 * A path inside a repository is that repository; a directory that is in none stands for the repositories directly below
 * it. What cannot be read is kept, so that the next stage says why. Each repository comes once, and one that was removed
 * does not come at all. Executes and writes nothing.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SchemaTransformation from "effect/SchemaTransformation"
import { Task } from "ostinato"
import { Figures } from "./Figures.ts"
import { FiguresUnavailable } from "./FiguresError.ts"
import * as Git from "./Git.ts"
import * as RepositorySource from "./RepositorySource.ts"

/** A repository to collect. */
export const Found = Schema.Union([
  Schema.Struct({ kind: Schema.Literal("path"), place: Schema.String }),
  Schema.Struct({ kind: Schema.Literal("url"), place: Schema.String }),
  /** A text that names none; it is not kept, because it may hold a password. */
  Schema.Struct({ kind: Schema.Literal("refused"), place: Schema.Literal("(not shown)"), detail: Schema.String })
])

// what is refused may hold a password, so the record of the run does not hold it
const Source = Schema.String.pipe(Schema.decodeTo(
  Schema.String,
  SchemaTransformation.transform({
    decode: (text) => text,
    encode: (text) => Result.isSuccess(RepositorySource.parse(text)) ? text : "(not shown)"
  })
))

/** One or several, each a path, a URL, or a directory that holds clones. */
export const Sources = Schema.Union([Source, Schema.Array(Source)])

/** The contract. */
export const DiscoverRepositories = Task.make("insights.discover", {
  payload: { repository: Sources },
  success: Schema.Array(Found),
  error: FiguresUnavailable,
  timeout: "5 minutes"
})

/** The handler. */
export const DiscoverRepositoriesLive = DiscoverRepositories.toLayer(
  Effect.fn("insights.discover")(function*({ repository }) {
    const figures = yield* Figures
    const texts = typeof repository === "string" ? [repository] : repository
    const found = (yield* Effect.forEach(texts, look)).flat()
    const removed = yield* figures.removed(found.map(({ place }) => place))
    const once = new Map(found.map((one) => [one.kind === "refused" ? one.detail : one.place, one]))
    return Array.from(once.values()).filter(({ place }) => !removed.has(place))
  })
)

// directories below one that may be looked into
const childLimit = 1000

const look = Effect.fnUntraced(function*(text: string) {
  const source = RepositorySource.parse(text)
  if (Result.isFailure(source)) {
    return [{ kind: "refused" as const, place: "(not shown)" as const, detail: source.failure.detail }]
  }
  if (source.success.kind === "url") return [{ kind: "url" as const, place: source.success.url }]
  const { path } = source.success
  const opened = yield* Effect.result(Git.open(path))
  if (Result.isSuccess(opened)) return [{ kind: "path" as const, place: opened.success.root }]
  const error = opened.failure
  const below = error._tag === "NotARepository" && error.reason === "plain" ? yield* clonesBelow(path) : []
  return below.length > 0 ? below : [{ kind: "path" as const, place: yield* absolute(path) }]
})

const absolute = Effect.fnUntraced(function*(path: string) {
  const files = yield* FileSystem.FileSystem
  const paths = yield* Path.Path
  return yield* Effect.orElseSucceed(files.realPath(path), () => paths.resolve(path))
})

const clonesBelow = Effect.fnUntraced(function*(directory: string) {
  const files = yield* FileSystem.FileSystem
  const paths = yield* Path.Path
  const root = yield* absolute(directory)
  const names = yield* Effect.orElseSucceed(files.readDirectory(root), () => [])
  const candidates = names.toSorted((a, b) => a < b ? -1 : 1).slice(0, childLimit).map((name) => paths.join(root, name))
  const has = (directory: string, name: string) =>
    Effect.orElseSucceed(files.exists(paths.join(directory, name)), () => false)
  const clones = yield* Effect.filter(candidates, (candidate) =>
    Effect.gen(function*() {
      if (yield* has(candidate, ".git")) return true
      return (yield* has(candidate, "HEAD")) && (yield* has(candidate, "objects")) && (yield* has(candidate, "refs"))
    }))
  return yield* Effect.forEach(
    clones,
    (clone) => Effect.map(absolute(clone), (place) => ({ kind: "path" as const, place }))
  )
})
