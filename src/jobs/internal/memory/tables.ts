/**
 * All that the store in memory knows. Every operation on it is one synchronous step, so it is atomic.
 */
import type { QueueSettings } from "../../JobStore.ts"
import type { Fair } from "./fair.ts"
import type { Edge } from "./graph.ts"
import * as heap from "./heap.ts"
import type { LimitTable } from "./limits.ts"
import type { Entry } from "./members.ts"
import { isBefore, isDueBefore, type Row } from "./row.ts"
import * as signal from "./signal.ts"

export interface Queue {
  readonly name: string
  settings: QueueSettings
  pausedAt: number | null
  /** It is known only while something is in it or serves it. */
  isRemoved: boolean
  readonly ready: heap.Heap<Row>
  readonly wakes: signal.Signal
  /** Jobs that have not ended, by task. */
  readonly live: Map<string, number>
  readonly fair: Fair
}

export interface Tables {
  readonly rows: Map<bigint, Row>
  readonly queues: Map<string, Queue>
  readonly due: heap.Heap<Row>
  /** Who has a unique key, by key. */
  readonly keys: Map<string, Row>
  readonly limits: Map<string, LimitTable>
  readonly edges: { readonly byParent: Map<bigint, Array<Edge>>; readonly byChild: Map<bigint, Array<Edge>> }
  readonly holds: Set<string>
  readonly held: Set<Row>
  /** In the order of their ends. */
  readonly ended: Set<Row>
  readonly members: Map<number, Entry>
  readonly scheduled: signal.Signal
  readonly changed: signal.Signal
  lastId: bigint
  lastMember: number
}

export const make = (): Tables => ({
  rows: new Map(),
  queues: new Map(),
  due: heap.make(isDueBefore),
  keys: new Map(),
  limits: new Map([["order", { limit: { name: "order", permits: 1, rate: null }, isRemoved: false, keys: new Map() }]]),
  edges: { byParent: new Map(), byChild: new Map() },
  holds: new Set(),
  held: new Set(),
  ended: new Set(),
  members: new Map(),
  scheduled: signal.make(),
  changed: signal.make(),
  lastId: 0n,
  lastMember: 0
})

/** Made where it is not known. */
export const queueOf = (tables: Tables, name: string): Queue => {
  const known = tables.queues.get(name)
  if (known !== undefined) return known
  const made: Queue = {
    name,
    settings: { limit: null, fair: false, ageingMs: null },
    pausedAt: null,
    isRemoved: false,
    ready: heap.make(isBefore),
    wakes: signal.make(),
    live: new Map(),
    fair: { clock: 0, tenants: new Map() }
  }
  tables.queues.set(name, made)
  return made
}

/** Sorts by time, and never twice; its bit 19 is clear, as it is set in ids that callers make. */
export const nextId = (tables: Tables, now: number): bigint => {
  const soonest = BigInt(Math.max(0, Math.floor(now))) << 20n
  const next = tables.lastId + 1n
  const free = (next & madeByCaller) === 0n ? next : ((next >> 20n) + 1n) << 20n
  tables.lastId = soonest > tables.lastId ? soonest : free
  return tables.lastId === 0n ? tables.lastId = 1n : tables.lastId
}

const madeByCaller = 1n << 19n
