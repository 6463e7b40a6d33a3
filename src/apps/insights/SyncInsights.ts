/**
 * The pipeline that brings figures up to date: `insights.sync`.
 *
 *   discover → repositories → accounts → platforms → rollup
 *
 * When no repository can be collected, what comes after is skipped and all figures stay as they were. When some cannot,
 * the run ends as `partial` and the sums hold what was known of those before.
 */
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { Pipeline } from "ostinato"
import { DiscoverRepositories, DiscoverRepositoriesLive, Sources } from "./DiscoverRepositories.ts"
import { RollUp, RollUpStagesLive, SyncAccounts, SyncPlatforms } from "./RollUpStages.ts"
import { Synced, SyncRepositories, SyncRepositoriesLive } from "./SyncRepositories.ts"

/** The pipeline. */
export const SyncInsights = Pipeline.make("insights.sync", {
  payload: {
    repository: Sources,
    /** Only repositories that have changed are read; of the others the day's gauges are taken. Defaults to `false`. */
    changedOnly: Schema.optionalKey(Schema.Boolean)
  }
}).pipe(
  Pipeline.stage("discover", DiscoverRepositories, { input: ({ payload: { repository } }) => ({ repository }) }),
  Pipeline.stage("repositories", SyncRepositories, {
    input: ({ discover, payload: { changedOnly = false } }) => ({ repositories: discover, changedOnly })
  }),
  Pipeline.stage("accounts", SyncAccounts, { input: () => ({}) }),
  Pipeline.stage("platforms", SyncPlatforms, { input: () => ({}) }),
  Pipeline.stage("rollup", RollUp, { input: () => ({}) }),
  Pipeline.output(
    Schema.Struct({ repositories: Schema.Array(Synced), accounts: Schema.Int, platforms: Schema.Int }),
    ({ accounts, platforms, repositories }) => ({ repositories, accounts, platforms })
  )
)

/** The handlers of its stages. */
export const SyncInsightsLive = Layer.mergeAll(DiscoverRepositoriesLive, SyncRepositoriesLive, RollUpStagesLive)
