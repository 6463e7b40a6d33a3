/**
 * The stage that collects repositories: `insights.repositories`.
 *
 * Two at a time. One that fails is recorded with its error and the rest go on, so the run ends as `partial`; when all
 * fail the stage fails, and with it what comes after. It may run twice: on one day the same history gives the same rows.
 * From day to day only commits that are dated more than a year ahead move: see `GitHistory`. With `changedOnly` a
 * repository that is as it was is not read again: the day's gauges are what is known.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Path from "effect/Path"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { Attempt, Task } from "ostinato"
import { Found } from "./DiscoverRepositories.ts"
import { Figures } from "./Figures.ts"
import { FiguresUnavailable } from "./FiguresError.ts"
import * as Git from "./Git.ts"
import { SourceRefused } from "./GitError.ts"
import * as GitHistory from "./GitHistory.ts"
import * as GitMirror from "./GitMirror.ts"
import * as GitTags from "./GitTags.ts"
import * as GitTree from "./GitTree.ts"
import * as RepositorySource from "./RepositorySource.ts"
import type { Owner } from "./WriteFigures.ts"

/** Where repositories of other machines are mirrored. */
export class MirrorDirectory extends Context.Service<MirrorDirectory, string>()(
  "ostinato/apps/insights/SyncRepositories/MirrorDirectory"
) {}

/** Not one repository could be collected. The figures of before are untouched. */
export class RepositoriesFailed extends Schema.TaggedError<RepositoriesFailed>()("RepositoriesFailed", {
  items: Schema.Array(Schema.Struct({ place: Schema.String, error: Schema.String }))
}) {
  override get message() {
    const shown = this.items.slice(0, 5).map(({ error }) => error)
    const more = this.items.length - shown.length
    return this.items.length === 1
      ? shown.join("")
      : [`none of ${this.items.length} repositories could be collected`, ...shown].join("\n- ") +
        (more > 0 ? `\nand ${more} more` : "")
  }
}

/** What was collected of one repository. */
export const Synced = Schema.Struct({
  repository: Schema.String,
  head: Schema.String,
  commits: Schema.Int,
  contributors: Schema.Int
})

/** The contract. */
export const SyncRepositories = Task.make("insights.repositories", {
  payload: { repositories: Schema.Array(Found), changedOnly: Schema.optionalKey(Schema.Boolean) },
  success: Schema.Array(Synced),
  error: Schema.Union([RepositoriesFailed, FiguresUnavailable]),
  timeout: "12 hours"
})

/** The handler. */
export const SyncRepositoriesLive = SyncRepositories.toLayer(
  Effect.fn("insights.repositories")(function*({ changedOnly = false, repositories }) {
    const results = yield* Effect.forEach(repositories, (found) => one(found, changedOnly), { concurrency: 2 })
    const synced = results.filter(Result.isSuccess).map(({ success }) => success)
    const failed = results.filter(Result.isFailure).map(({ failure }) => failure)
    const [first] = failed
    const summary = `${synced.length} of ${results.length} repositories`
    yield* Attempt.report({
      succeeded: synced.length,
      failed: failed.length,
      summary: first === undefined ? summary : `${summary}; ${first.error}`
    })
    if (failed.length > 0 && synced.length === 0) return yield* new RepositoriesFailed({ items: failed })
    return synced
  })
)

const one = Effect.fnUntraced(function*(found: typeof Found.Type, changedOnly: boolean) {
  const figures = yield* Figures
  const { runId } = yield* Attempt.Attempt
  const began = yield* Clock.monotonicTimeNanos
  const result = yield* Effect.result(collect(found, changedOnly))
  const ms = Number((yield* Clock.monotonicTimeNanos) - began) / 1e6
  const error = Result.isFailure(result) ? result.failure.message : null
  if (error !== null) yield* Effect.logWarning(`${found.place} was not collected: ${error}`)
  yield* figures.recordItem({ runId, place: found.place, ms, error })
  return Result.mapError(result, ({ message }) => ({ place: found.place, error: message }))
})

const collect = Effect.fnUntraced(function*(found: typeof Found.Type, changedOnly: boolean) {
  const figures = yield* Figures
  const { owner, path, place } = yield* located(found)
  const opened = yield* Git.open(path)
  // a mirror is known by its URL
  const repository = found.kind === "url" ? { ...opened, name: place.split("/").at(-1) ?? place } : opened
  const releases = yield* GitTags.read(repository)
  const known = changedOnly ? yield* figures.sample(place, repository, releases) : null
  if (known !== null) return { repository: place, ...known }
  const tree = yield* GitTree.read(repository)
  const history = yield* Effect.acquireUseRelease(
    figures.newStaging,
    (staging) =>
      Effect.tap(
        GitHistory.collect(repository, { onDays: (days) => figures.stage(staging, days) }),
        (history) => figures.write({ repository, place, owner, history, tree, releases }, staging)
      ),
    (staging) => Effect.ignore(figures.discard(staging))
  )
  return {
    repository: place,
    head: repository.head,
    commits: history.commits,
    contributors: history.authors.length
  }
})

interface Located {
  readonly path: string
  readonly place: string
  readonly owner: Owner
}

const located = Effect.fnUntraced(function*(found: typeof Found.Type) {
  const paths = yield* Path.Path
  if (found.kind === "refused") return yield* new SourceRefused({ detail: found.detail })
  if (found.kind === "path") {
    const owner: Owner = { kind: "git", baseUrl: "", login: paths.dirname(found.place) }
    return { path: found.place, place: found.place, owner } satisfies Located
  }
  const source = yield* Effect.fromResult(RepositorySource.parse(found.place))
  if (source.kind === "path") return yield* new SourceRefused({ detail: "is no URL" })
  const path = yield* GitMirror.refresh(source, yield* MirrorDirectory)
  const owner: Owner = { kind: "git", baseUrl: new URL(source.url).origin, login: source.owner || source.host }
  return { path, place: source.url, owner } satisfies Located
})
