/**
 * The stages that come after the repositories: `insights.accounts`, `insights.platforms`, `insights.rollup`.
 *
 * The first two find out who belongs to whom, the last one sums up. Each is one transaction and may run twice.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { Task } from "ostinato"
import { Figures } from "./Figures.ts"
import { FiguresUnavailable } from "./FiguresError.ts"

const stage = <Name extends string>(name: Name) =>
  Task.make(name, { success: Schema.Int, error: FiguresUnavailable, timeout: "5 minutes" })

/** Gives the number of accounts with repositories. */
export const SyncAccounts = stage("insights.accounts")

/** Gives the number of platforms. */
export const SyncPlatforms = stage("insights.platforms")

/** Gives the number of accounts and platforms with figures. */
export const RollUp = stage("insights.rollup")

/** The handlers. */
export const RollUpStagesLive = Layer.mergeAll(
  SyncAccounts.toLayer(() => Effect.flatMap(Figures, ({ linkAccounts }) => linkAccounts)),
  SyncPlatforms.toLayer(() => Effect.flatMap(Figures, ({ linkPlatforms }) => linkPlatforms)),
  RollUp.toLayer(() => Effect.flatMap(Figures, ({ rollUp }) => rollUp))
)
