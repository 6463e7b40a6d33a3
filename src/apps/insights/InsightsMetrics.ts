/**
 * The figures of Insights as gauges, one series a repository, labelled with its name and its path.
 */
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import { Figures } from "./Figures.ts"

const gauges = {
  commits: Metric.gauge("ostinato_insights_commits", { description: "Commits of the repository, merges included" }),
  contributors: Metric.gauge("ostinato_insights_contributors", { description: "Authors of the repository" }),
  additions: Metric.gauge("ostinato_insights_lines_added", { description: "Lines ever added, merges not counted" }),
  deletions: Metric.gauge("ostinato_insights_lines_deleted", { description: "Lines ever deleted, merges not counted" })
}

const figureNames = ["commits", "contributors", "additions", "deletions"] as const

/**
 * Sets the gauges to what the database holds and drops the series of repositories that it no longer holds. Two clones of
 * one name differ in their path. Without a database everything keeps its last values.
 */
export const refresh: Effect.Effect<void, never, Figures> = Effect.gen(function*() {
  const figures = yield* Figures
  const repositories = yield* figures.list
  for (const repository of repositories) {
    for (const figure of figureNames) {
      yield* Metric.update(series(figure, repository), repository[figure])
    }
  }
  const paths = new Set(repositories.map(({ path }) => path))
  for (const { attributes, id } of yield* Metric.snapshot) {
    const figure = figureNames.find((name) => gauges[name].id === id)
    const { path, repository: name } = attributes ?? {}
    if (figure === undefined || path === undefined || name === undefined || paths.has(path)) continue
    yield* Metric.remove(series(figure, { name, path }))
  }
}).pipe(Effect.catchTag(["FiguresUnavailable", "FiguresInvalid"], (error) => Effect.logWarning(error.message)))

const series = (
  figure: typeof figureNames[number],
  { name, path }: { readonly name: string; readonly path: string }
) => Metric.withAttributes(gauges[figure], { repository: name, path })
