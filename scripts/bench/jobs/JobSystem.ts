/**
 * The seam of the suites about jobs: what they ask of every system, ours and the peers'.
 *
 * A `Place` is opened in the parent; a `Driver` is opened in a fresh child process for each measurement.
 */
import type { OpenPlace } from "./places/Place.ts"

/** The payload of every job, stored as JSON by every system. */
export interface Payload {
  readonly n: number
  /** The monotonic clock when it was handed to the system, in milliseconds. */
  readonly t: number
  readonly s: string
}

/** Characters of a payload's filling, unless a measurement says otherwise. */
export const filling = 64

/** The payload with this number, as of this instant. */
export const payload = (n: number, t: number, size = filling): Payload => ({ n, t, s: "x".repeat(size) })

/** Payloads `from` (inclusive) to `to` (exclusive). */
export const payloads = (from: number, to: number, size = filling): Array<Payload> =>
  Array.from({ length: to - from }, (_, index) => payload(from + index, 0, size))

/** What a child process does with one system. */
export interface Driver {
  /** Inserts one job; resolves after its commit. */
  readonly add: (job: Payload) => Promise<unknown>
  /** So many callers at once, each taking the next job and awaiting its commit until there is none; absent: by `add`. */
  readonly call?: ((callers: number, next: () => Payload | undefined) => Promise<void>) | undefined
  /** Inserts these jobs in bulk; resolves after the commit. */
  readonly bulk: (jobs: ReadonlyArray<Payload>) => Promise<void>
  /** As `bulk`, each with a unique key of its own. */
  readonly unique?: ((jobs: ReadonlyArray<Payload>) => Promise<void>) | undefined
  /** Does what a worker process does once in its life, before the clock runs. */
  readonly prepare?: (() => Promise<void>) | undefined
  /** Begins to claim; calls `onJob` at the start of each handler. Rejects when the worker fails. */
  readonly work: (onJob: (job: Payload) => void) => Promise<void>
  /** Milliseconds that each of `rounds` claims took: `batch` jobs go in, as many are claimed, which is timed, and are completed. */
  readonly claims?: ((rounds: number, batch: number) => Promise<ReadonlyArray<number>>) | undefined
  /** Stops claiming, waits for what runs, closes the connections. */
  readonly close: () => Promise<void>
  /** Figures of the driver itself, for example milliseconds per statement. */
  readonly figures?: (() => Readonly<Record<string, number>>) | undefined
}

/** How a child process finds a driver: a module of this folder that exports `open`, and the name that it is given. */
export interface DriverAddress {
  readonly module: string
  readonly name: string
  /** Flags of Node that the system's own documentation says to run a worker with. */
  readonly flags?: ReadonlyArray<string> | undefined
}

/** The exported constructor of a driver module. */
export type OpenDriver = (name: string, url: string) => Promise<Driver>

/** A system under test. */
export interface JobSystem {
  /** Row label; unique. */
  readonly name: string
  /** What this row is, in one line. */
  readonly about: string
  /** Jobs of a full-size backlog. */
  readonly backlog: number
  /** An empty place with its schema and queue. */
  readonly place: OpenPlace
  readonly driver: DriverAddress
}
