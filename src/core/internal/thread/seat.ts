/**
 * One place of a pool and the calls that it holds, in the order in which they will run.
 *
 *   waiting --offered--> sent --begun--> running --reply--> settled
 *      ^                  |                |
 *      +----taken back----+                +--host ended--> lost
 */
import type { Host } from "./host.ts"
import { finished, type Reply, window } from "./protocol.ts"

/** What is known of some code, whatever task it stands behind. */
export interface Kind {
  readonly index: number
  /** `module#export` */
  readonly code: string
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
  readonly payload: unknown
  readonly transfer: ReadonlyArray<ArrayBuffer>
  readonly limitMs: number
  readonly kind: Kind
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
  /** What the thread has heard of. */
  readonly kinds: Set<Kind>
  outbox: Array<Job>
  isReady: boolean
  isEnding: boolean
  expectedMs: number
  /** Since when the first call runs, or the seat is idle. */
  since: number
  /** Since when the first call is the first, whether it has begun or not. */
  firstSince: number
  /** When a host that does not stop is killed. */
  killAt: number
}

export const make = (host: Host, now: number): Seat => ({
  host,
  jobs: new Map(),
  slots: Array.from({ length: window }, (_, slot) => slot),
  kinds: new Set(),
  outbox: [],
  isReady: false,
  isEnding: false,
  expectedMs: 0,
  since: now,
  firstSince: now,
  killAt: Number.POSITIVE_INFINITY
})

// calls that would take longer than this together are not sent ahead, for they might wait behind one another
const aheadMs = 20
// replies of calls that take less wait for one another
const shortMs = 0.1

/** Whether the seat takes this call beside those that it holds. */
export const hasRoom = (seat: Seat, kind: Kind): boolean =>
  !seat.isEnding &&
  (seat.jobs.size === 0 ||
    (seat.killAt === Number.POSITIVE_INFINITY && seat.jobs.size < seat.host.window &&
      seat.expectedMs + kind.meanMs <= aheadMs))

/** The call that runs, or will run next. */
export const head = (seat: Seat): Job | undefined => {
  for (const job of seat.jobs.values()) {
    if (!hadEnded(seat, job)) return job
  }
  return undefined
}

/** The first call, or none, is another one from now on. */
export const startAt = (seat: Seat, now: number): void => {
  seat.since = now
  seat.firstSince = now
}

export const hold = (seat: Seat, job: Job, id: number, now: number): void => {
  const slot = seat.slots.pop() ?? 0
  if (seat.host.slots !== null) Atomics.store(seat.host.slots, slot, id)
  if (seat.jobs.size === 0) startAt(seat, now)
  job.id = id
  job.slot = slot
  job.expectedMs = Number.isFinite(job.kind.meanMs) ? job.kind.meanMs : aheadMs
  seat.expectedMs += job.expectedMs
  seat.jobs.set(id, job)
  seat.outbox.push(job)
}

/** The seat no longer holds the call. */
export const release = (seat: Seat, job: Job): void => {
  seat.jobs.delete(job.id)
  seat.slots.push(job.slot)
  seat.expectedMs = seat.jobs.size === 0 ? 0 : seat.expectedMs - job.expectedMs
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

/** Whether the call had ended, with its reply still on the way. */
export const hadEnded = (seat: Seat, job: Job): boolean =>
  seat.host.slots !== null && Atomics.load(seat.host.slots, job.slot) === finished

/** Sends what was offered since the last time. Throws where something in it cannot travel; then nothing was sent. */
export const send = (seat: Seat): void => {
  const { outbox } = seat
  if (outbox.length === 0) return
  seat.outbox = []
  const calls: Array<unknown> = []
  const transfer: Array<ArrayBuffer> = []
  for (const { id, kind, payload, slot, transfer: moving } of outbox) {
    const code = seat.kinds.has(kind) ? kind.index : `${kind.index}:${kind.code}`
    calls.push(id, slot, code, kind.meanMs <= shortMs, payload)
    transfer.push(...moving)
  }
  try {
    seat.host.post(calls, transfer)
  } catch (error) {
    seat.outbox = outbox
    throw error
  }
  for (const { kind } of outbox) seat.kinds.add(kind)
}
