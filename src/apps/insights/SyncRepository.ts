/**
 * The task that brings the figures of a repository up to date: `insights.sync`.
 *
 * It may run twice: on one day, the same history gives the same rows. From day to day only commits that are dated more
 * than a year ahead move: see `GitHistory`.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { Task } from "ostinato"
import { Figures, FiguresUnavailable } from "./Figures.ts"
import * as Git from "./Git.ts"
import { GitError } from "./GitError.ts"
import * as GitHistory from "./GitHistory.ts"

/** The contract. */
export const SyncRepository = Task.make("insights.sync", {
  payload: {
    /** Path of a local clone. */
    repository: Schema.String
  },
  success: Schema.Struct({
    repository: Schema.String,
    head: Schema.String,
    commits: Schema.Int,
    contributors: Schema.Int
  }),
  error: Schema.Union([GitError, FiguresUnavailable]),
  timeout: "15 minutes"
})

/** The handler. */
export const SyncRepositoryLive = SyncRepository.toLayer(
  Effect.fn("insights.sync")(function*({ repository: path }) {
    const figures = yield* Figures
    const repository = yield* Git.open(path)
    const history = yield* GitHistory.collect(repository)
    yield* figures.write(repository, history)
    return {
      repository: repository.root,
      head: repository.head,
      commits: history.commits,
      contributors: history.authors.length
    }
  })
)
