import { assert, describe, it } from "@effect/vitest"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import { Figures } from "../../../src/apps/insights/Figures.ts"
import { FiguresUnavailable, type ReadError } from "../../../src/apps/insights/FiguresError.ts"
import { RepositoryFigures } from "../../../src/apps/insights/InsightsApi.ts"
import * as InsightsMetrics from "../../../src/apps/insights/InsightsMetrics.ts"

const clone = (path: string, commits: number) =>
  new RepositoryFigures({
    id: path,
    accountId: null,
    name: path.split("/").at(-1) ?? "",
    path,
    branch: "main",
    head: "0".repeat(40),
    commits,
    contributors: 1,
    additions: 2,
    deletions: 3,
    files: 4,
    bytes: 5,
    releases: 6,
    busFactor: 1,
    metrics: {},
    firstDay: null,
    lastDay: null,
    syncedAt: DateTime.makeUnsafe(0)
  })

const refresh = (list: Effect.Effect<ReadonlyArray<RepositoryFigures>, ReadError>) =>
  Effect.provide(InsightsMetrics.refresh, Layer.mock(Figures, { list }))

const commits = Effect.map(
  Metric.snapshot,
  (all) =>
    all.filter(({ id }) => id === "ostinato_insights_commits").map(({ attributes, state }) => [
      attributes?.["repository"],
      attributes?.["path"],
      "value" in state ? state.value : undefined
    ])
)

const insights = Effect.map(
  Metric.snapshot,
  (all) => all.filter(({ id }) => id.startsWith("ostinato_insights_")).length
)

const isolated = <A, E, R>(work: Effect.Effect<A, E, R>) =>
  Effect.provideService(work, Metric.MetricRegistry, new Map())

describe("InsightsMetrics", () => {
  it.effect("keeps two clones of one name apart by their paths", () =>
    isolated(Effect.gen(function*() {
      yield* refresh(Effect.succeed([clone("/a/api", 1), clone("/b/api", 2)]))
      assert.deepStrictEqual(yield* commits, [["api", "/a/api", 1], ["api", "/b/api", 2]])
      assert.strictEqual(yield* insights, 8)
    })))

  it.effect("drops the series of a repository that is no longer listed, and brings it back when it is again", () =>
    isolated(Effect.gen(function*() {
      yield* Metric.update(Metric.withAttributes(Metric.gauge("other"), { path: "/a/api", repository: "api" }), 1)
      yield* refresh(Effect.succeed([clone("/a/api", 1), clone("/b/api", 2)]))
      yield* refresh(Effect.succeed([clone("/b/api", 3)]))
      assert.deepStrictEqual(yield* commits, [["api", "/b/api", 3]])
      assert.strictEqual(yield* insights, 4)
      assert.isTrue((yield* Metric.snapshot).some(({ id }) => id === "other"))
      yield* refresh(Effect.succeed([clone("/a/api", 4)]))
      assert.deepStrictEqual(yield* commits, [["api", "/a/api", 4]])
    })))

  it.effect("keeps every series while the database does not answer", () =>
    isolated(Effect.gen(function*() {
      yield* refresh(Effect.succeed([clone("/a/api", 1)]))
      yield* refresh(Effect.fail(new FiguresUnavailable({ detail: "away" })))
      assert.deepStrictEqual(yield* commits, [["api", "/a/api", 1]])
    })))
})
