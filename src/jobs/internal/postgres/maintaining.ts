/**
 * Membership, rescue and retention: what keeps the store in order whoever lives and dies.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { ControlSql } from "../../../store/ControlSql.ts"
import { Database } from "../../../store/Database.ts"
import * as Lease from "../../../store/Lease.ts"
import * as Tx from "../../../store/Tx.ts"
import type { JobStore } from "../../JobStore.ts"
import { alone } from "./alone.ts"
import * as channels from "./channels.ts"
import * as members from "./members.ts"
import * as rescue from "./rescue.ts"
import * as retention from "./retention.ts"
import { outside, type StoreContext, unavailable } from "./StoreContext.ts"
import type { Wakes } from "./wakes.ts"

export interface Options extends members.LeaseOptions {
  /**
   * No process that used this database before can be alive, because this one has just started the server itself: what
   * those ran is taken back at once instead of when their leases run out. Defaults to `false`.
   */
  readonly exclusive?: boolean | undefined
}

export const make = Effect.fnUntraced(function*(ctx: StoreContext, schema: string, wakes: Wakes, options: Options) {
  const { database, house, notifier, supervisor } = ctx
  const built = yield* Layer.build(
    Lease.Lease.layer().pipe(Layer.provide([Layer.succeed(ControlSql, house), Layer.succeed(Database, database)]))
  )
  const lease = Context.get(built, Lease.Lease)
  const timing = members.timing(options)
  const { expireOlder, join, list } = yield* members.make({ house, schema, database, notifier, supervisor, timing })
  const { prune } = retention.make(house, schema)
  const takeBack = rescue.make({
    house,
    schema,
    lease,
    wake: wakes.woken,
    nudge: (worker) => notifier.notify(channels.mail(worker))
  })
  if (options.exclusive ?? false) yield* outside("expire workers", expireOlder)

  return {
    join: (who) => Effect.mapError(Tx.outside(join(who)), (error) => unavailable("join", error)),
    rescue: Effect.tap(outside("rescue", takeBack), (rescued) => rescued.length > 0 ? wakes.changed : Effect.void),
    prune: (bounds) => Effect.map(outside("prune", alone(lease, "jobs prune", prune(bounds))), (gone) => gone ?? 0),
    members: outside("list members", list)
  } satisfies Pick<JobStore["Service"], "join" | "rescue" | "prune" | "members">
})
