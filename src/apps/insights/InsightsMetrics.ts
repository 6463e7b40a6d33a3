/**
 * The figures of Insights as gauges, one series a repository.
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

/** Sets the gauges to what the database holds. Without a database they keep their last values. */
export const refresh: Effect.Effect<void, never, Figures> = Effect.gen(function*() {
  const figures = yield* Figures
  for (const repository of yield* figures.list) {
    for (const figure of ["commits", "contributors", "additions", "deletions"] as const) {
      const gauge = Metric.withAttributes(gauges[figure], { repository: repository.name })
      yield* Metric.update(gauge, repository[figure])
    }
  }
}).pipe(Effect.catchTag(["FiguresUnavailable", "FiguresInvalid"], (error) => Effect.logWarning(error.message)))
