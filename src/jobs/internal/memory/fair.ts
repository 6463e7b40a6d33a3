/**
 * Tenants of a queue take turns: start-time fair queueing.
 *
 * A job's place is the virtual time at which it would start if every tenant had an equal share of the queue. The queue's
 * own time is that of the newest claim, so a tenant that comes late starts there and makes up for nothing.
 */
export interface Fair {
  clock: number
  readonly tenants: Map<string, number>
}

/** Of a job that takes its whole share. */
const unit = 1000

/** The place of the tenant's next job. */
export const enter = (fair: Fair, tenant: string, cost: number): bigint => {
  const start = Math.max(fair.clock, fair.tenants.get(tenant) ?? 0)
  fair.tenants.set(tenant, start + Math.max(1, Math.round(cost * unit)))
  return BigInt(start)
}

export const claimed = (fair: Fair, ord: bigint) => {
  fair.clock = Math.max(fair.clock, Number(ord))
}

/** Nothing of the queue waits: nobody is owed a turn, or owes one. */
export const rest = (fair: Fair) => {
  fair.clock = Math.max(fair.clock, ...fair.tenants.values())
  forget(fair)
}

/** Forgets tenants whose next job would start at the queue's own time all the same. */
export const forget = (fair: Fair) => {
  for (const [tenant, at] of fair.tenants) if (at <= fair.clock) fair.tenants.delete(tenant)
}
