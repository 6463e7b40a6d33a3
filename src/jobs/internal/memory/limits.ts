/**
 * How many jobs of a key run at once, and how many start in a time.
 *
 * A limited job that is due is parked until it is admitted: it then has a permit until its attempt ends, and the slot of
 * the rate in which it starts. Slots are those of the generic cell rate algorithm. A slot that its job could not use,
 * because no worker was free or the queue was paused, counts from the moment at which the job starts at the earliest, so
 * jobs that piled up do not start faster than the rate allows.
 */
import type { Limit, Removal } from "../../JobStore.ts"
import * as obstacle from "../obstacle.ts"
import * as heap from "./heap.ts"
import { toDue, toReady } from "./lanes.ts"
import { extraOf, hasEnded, isBefore, type Row } from "./row.ts"
import type { Tables } from "./tables.ts"

interface Key {
  /** Theoretical arrival time: when the rate is whole again, less its burst. */
  tat: number
  /** Nothing starts before. */
  heldUntil: number
  /** Admitted jobs. */
  readonly admitted: Set<Row>
  readonly parked: heap.Heap<Row>
}

export interface LimitTable {
  limit: Limit
  /** Nobody finds it by its name until it is set again; jobs that name it obey it as it was. */
  isRemoved: boolean
  readonly keys: Map<string, Key>
}

/** Slots are given out so long before they come. */
const aheadMs = 1000

const tableOf = (tables: Tables, name: string): LimitTable => {
  const known = tables.limits.get(name)
  if (known !== undefined) return known
  const made: LimitTable = { limit: { name, permits: null, rate: null }, isRemoved: false, keys: new Map() }
  tables.limits.set(name, made)
  return made
}

const keyIn = (table: LimitTable, key: string): Key => {
  const known = table.keys.get(key)
  if (known !== undefined) return known
  const made: Key = { tat: 0, heldUntil: 0, admitted: new Set(), parked: heap.make(isBefore) }
  table.keys.set(key, made)
  return made
}

const placeOf = (tables: Tables, row: Row) => {
  const ofQueue = row.queue.settings.limit
  if (ofQueue !== null && !hasLimit(row)) extraOf(row).limit = { name: ofQueue, key: "", strict: false }
  const limit = row.extra?.limit
  if (limit === null || limit === undefined) return undefined
  const table = tableOf(tables, limit.name)
  return { limit: table.limit, key: keyIn(table, limit.key), isStrict: limit.strict }
}

const hasLimit = ({ extra }: Row) => extra !== null && extra.limit !== null

/** Lets the next parked jobs of a key in. */
const admit = (tables: Tables, limit: Limit, key: Key, now: number) => {
  if (now < key.heldUntil) return
  let room = key.parked.size()
  if (limit.permits !== null) room = Math.min(room, limit.permits - key.admitted.size)
  const rate = rateOf(limit)
  const base = rate === null ? now : Math.max(key.tat, now + starting(key) * rate.every)
  if (rate !== null) room = Math.min(room, 1 + Math.floor((now + aheadMs - base) / rate.every) + rate.burst - 1)
  for (let place = 1; place <= room; place += 1) {
    const row = key.parked.pop()
    if (row === undefined) return
    const slot = rate === null ? now : base + (place - rate.burst) * rate.every
    key.admitted.add(row)
    extraOf(row).isAdmitted = true
    if (rate !== null) key.tat = base + place * rate.every
    if (slot <= now) toReady(row, now)
    else toDue(tables, row, "slotted", slot)
  }
}

const rateOf = ({ rate }: Limit) => rate === null ? null : { every: rate.perMs / rate.units, burst: rate.burst }

/** Admitted jobs that start now at the earliest. */
const starting = (key: Key) => {
  let count = 0
  for (const row of key.admitted) if (row.place === "available") count += 1
  return count
}

/** Due jobs wait for their limits, all of them, before any is let in; what needs no limit or is let in already goes on. */
export const pass = (tables: Tables, rows: ReadonlyArray<Row>, now: number) => {
  const parked = new Map<Key, Limit>()
  for (const row of rows) {
    const at = placeOf(tables, row)
    if (at === undefined) toReady(row, now)
    else if (row.extra?.isAdmitted === true) {
      if (at.key.heldUntil > now) toDue(tables, row, "slotted", at.key.heldUntil)
      else toReady(row, now)
    } else {
      row.place = "parked"
      row.at = now
      at.key.parked.push(row)
      parked.set(at.key, at.limit)
    }
  }
  for (const [key, limit] of parked) admit(tables, limit, key, now)
}

/** Before these jobs start: what they could not use of their slots is not made up for. */
export const starts = (tables: Tables, rows: ReadonlyArray<Row>, now: number) => {
  const seen = new Set<Key>()
  for (const row of rows) {
    const at = placeOf(tables, row)
    if (at === undefined || seen.has(at.key)) continue
    seen.add(at.key)
    const rate = rateOf(at.limit)
    if (rate !== null) at.key.tat = Math.max(at.key.tat, now + starting(at.key) * rate.every)
  }
}

/** Gives a permit back. A strict one is kept while the job is to run again. Answers whose permit it was. */
export const vacate = (tables: Tables, row: Row, why: "over" | "again") => {
  const at = placeOf(tables, row)
  if (at === undefined || row.extra === null || !row.extra.isAdmitted || (why === "again" && at.isStrict)) {
    return undefined
  }
  row.extra.isAdmitted = false
  at.key.admitted.delete(row)
  return at
}

/** Gives a permit back and lets the next job in. */
export const release = (tables: Tables, row: Row, now: number, why: "over" | "again") => {
  const at = vacate(tables, row, why)
  if (at !== undefined) admit(tables, at.limit, at.key, now)
}

export const parkedOf = (tables: Tables, row: Row) => placeOf(tables, row)?.key.parked

export const set = (tables: Tables, limit: Limit, now: number) => {
  const table = tableOf(tables, limit.name)
  table.limit = limit
  table.isRemoved = false
  for (const key of table.keys.values()) admit(tables, limit, key, now)
}

export const isKnown = (tables: Tables, name: string): boolean => tables.limits.get(name)?.isRemoved === false

export const list = (tables: Tables): ReadonlyArray<Limit> =>
  Array.from(tables.limits.values()).flatMap(({ isRemoved, limit }) => isRemoved ? [] : [limit])

export const remove = (tables: Tables, name: string): Removal => {
  if (name === "order") return { usedBy: obstacle.ordersByKey }
  const table = tables.limits.get(name)
  if (table === undefined || table.isRemoved) return "unknown"
  const queues = Array.from(tables.queues.values()).filter(({ settings }) => settings.limit === name)
  if (queues.length > 0) return { usedBy: obstacle.limitsQueues(queues.map(({ name }) => name).sort()) }
  for (const row of tables.rows.values()) {
    if (!hasEnded(row) && row.extra?.limit?.name === name) return { usedBy: obstacle.limitsJobs }
  }
  table.isRemoved = true
  table.keys.clear()
  return "removed"
}

/** Milliseconds until `units` may be asked for again; none where they were taken. More than a burst waits for a whole one. */
export const take = (tables: Tables, name: string, keyName: string, units: number, now: number) => {
  const table = tableOf(tables, name)
  const key = keyIn(table, keyName)
  const rate = rateOf(table.limit)
  const from = Math.max(key.tat, now)
  const free = rate === null ? now : from + (Math.min(units, rate.burst) - rate.burst) * rate.every
  const retryMs = Math.ceil(Math.max(free, key.heldUntil) - now)
  if (retryMs > 0) return { retryMs }
  if (rate !== null) key.tat = from + units * rate.every
  return { retryMs: 0 }
}

/** Nothing of a key starts for so long, also what was let in already. */
export const hold = (tables: Tables, name: string, keyName: string, ms: number, now: number) => {
  const table = tableOf(tables, name)
  const key = keyIn(table, keyName)
  key.heldUntil = Math.max(key.heldUntil, now + ms)
  const rate = rateOf(table.limit)
  if (rate !== null) key.tat = Math.max(key.tat, key.heldUntil + (rate.burst - 1) * rate.every)
  for (const row of key.admitted) {
    if (row.place !== "available") continue
    row.queue.ready.remove(row)
    toDue(tables, row, "slotted", key.heldUntil)
  }
}

/** When parked jobs may be let in next without anything else happening; infinity where they wait for a permit. */
export const next = (tables: Tables, now: number): number => {
  let soonest = Number.POSITIVE_INFINITY
  for (const { keys, limit } of tables.limits.values()) {
    const rate = rateOf(limit)
    for (const key of keys.values()) {
      const isFull = limit.permits !== null && key.admitted.size >= limit.permits
      if (key.parked.size() === 0 || isFull) continue
      const slot = rate === null ? now : key.tat + (1 - rate.burst) * rate.every
      soonest = Math.min(soonest, Math.max(slot, key.heldUntil))
    }
  }
  return soonest
}

/** Lets in what may go by now, and forgets keys that nobody has used for as long as they mean something. */
export const sweep = (tables: Tables, now: number) => {
  for (const { keys, limit } of tables.limits.values()) {
    for (const [name, key] of keys) {
      admit(tables, limit, key, now)
      const isIdle = key.parked.size() === 0 && key.admitted.size === 0
      if (isIdle && key.tat <= now && key.heldUntil <= now) keys.delete(name)
    }
  }
}
