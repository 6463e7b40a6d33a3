/**
 * One place of a pool and the calls that it holds, in the order in which they will run.
 *
 *   waiting --offered--> sent --begun--> running --reply--> settled
 *      ^                  |                |
 *      +----taken back----+                +--host ended--> lost
 */
import type { Host } from "./host.ts"
import { type Call, type Reply, window } from "./protocol.ts"

/** What a task has cost so far, which says how many calls may be sent ahead. */
export interface Cost {
  /** Mean run time in milliseconds, the newest count most; infinite before the first. */
  meanMs: number
}

/** How a call ended: `lost` with the host, `left` when the pool closed before. */
export type Outcome =
  | { readonly kind: "reply"; readonly reply: Reply; readonly host: number }
  | { readonly kind: "stuck"; readonly error: unknown }
  | { readonly kind: "timeout" }
  | { readonly kind: "lost"; readonly detail: string; readonly isOutOfMemory: boolean }
  | { readonly kind: "left" }

export interface Job {
  readonly module: string
  readonly name: string
  readonly payload: unknown
  readonly transfer: ReadonlyArray<ArrayBuffer>
  readonly limitMs: number
  readonly cost: Cost
  settle: ((outcome: Outcome) => void) | undefined
  /** The call, while a seat holds it. */
  id: number
  slot: number
  expectedMs: number
  /** Why it was asked to stop. */
  stopping: "cancel" | "timeout" | undefined
}

export interface Seat {
  readonly host: Host
  /** By the id of the call, the first one is running. */
  readonly jobs: Map<number, Job>
  readonly slots: Array<number>
  outbox: Array<Job>
  isReady: boolean
  isEnding: boolean
  expectedMs: number
  /** Since when the first call runs, or the seat is idle. */
  since: number
  /** When a host that does not stop is killed. */
  killAt: number
}

export const make = (host: Host, now: number): Seat => ({
  host,
  jobs: new Map(),
  slots: Array.from({ length: window }, (_, slot) => slot),
  outbox: [],
  isReady: false,
  isEnding: false,
  expectedMs: 0,
  since: now,
  killAt: Number.POSITIVE_INFINITY
})

// calls that would take longer than this together are not sent ahead, for they might wait behind one another
const aheadMs = 20

/** Whether the seat takes this call beside those that it holds. */
export const hasRoom = (seat: Seat, cost: Cost): boolean =>
  !seat.isEnding &&
  (seat.jobs.size === 0 ||
    (seat.killAt === Number.POSITIVE_INFINITY && seat.jobs.size < seat.host.window &&
      seat.expectedMs + cost.meanMs <= aheadMs))

/** The call that runs, as far as is known. */
export const head = (seat: Seat): Job | undefined => seat.jobs.values().next().value

export const hold = (seat: Seat, job: Job, id: number, now: number): void => {
  const slot = seat.slots.pop() ?? 0
  if (seat.host.slots !== null) Atomics.store(seat.host.slots, slot, id)
  if (seat.jobs.size === 0) seat.since = now
  job.id = id
  job.slot = slot
  job.expectedMs = Number.isFinite(job.cost.meanMs) ? job.cost.meanMs : aheadMs
  seat.expectedMs += job.expectedMs
  seat.jobs.set(id, job)
  seat.outbox.push(job)
}

/** The seat no longer holds the call. */
export const release = (seat: Seat, job: Job, now: number): void => {
  if (head(seat) === job) seat.since = now
  seat.jobs.delete(job.id)
  seat.slots.push(job.slot)
  seat.expectedMs = seat.jobs.size === 0 ? 0 : seat.expectedMs - job.expectedMs
  if (seat.jobs.size === 0) seat.since = now
}

/** Takes a call back that has not begun, and then never will. */
export const revoke = (seat: Seat, job: Job): boolean => {
  const unsent = seat.outbox.indexOf(job)
  if (unsent >= 0) {
    seat.outbox.splice(unsent, 1)
    return true
  }
  return seat.host.slots !== null && Atomics.compareExchange(seat.host.slots, job.slot, job.id, 0) === job.id
}

/** Tells code that looks whether it is to stop. */
export const markStopped = (seat: Seat, job: Job): void => {
  if (seat.host.slots !== null) Atomics.store(seat.host.slots, job.slot, 0)
}

/** Whether the call had begun, asked of a host that has ended or cannot begin any more. */
export const hadBegun = (seat: Seat, job: Job): boolean =>
  seat.host.slots === null || Atomics.load(seat.host.slots, job.slot) !== job.id

/** Sends what was offered since the last time. Throws where something in it cannot travel; then nothing was sent. */
export const send = (seat: Seat): void => {
  const { outbox } = seat
  if (outbox.length === 0) return
  seat.outbox = []
  const calls = outbox.map((job): Call => [job.id, job.slot, job.module, job.name, job.payload])
  try {
    seat.host.post(calls, outbox.flatMap(({ transfer }) => transfer))
  } catch (error) {
    seat.outbox = outbox
    throw error
  }
}
