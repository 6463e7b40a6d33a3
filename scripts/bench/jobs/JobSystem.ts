/**
 * The seam of the jobs suite: what the runner asks of every system, ours and the peers'.
 *
 * `prepare` and `left` run in the parent; a `Driver` is opened in a fresh child process for each measurement.
 */
import type { PgConnection } from "../peers.ts"

/** The payload of every job, stored as jsonb by every system. */
export interface Payload {
  readonly n: number
  readonly t: number
  readonly s: string
}

/** Payloads `from` (inclusive) to `to` (exclusive). */
export const payloads = (from: number, to: number): Array<Payload> => {
  const t = Date.now()
  return Array.from({ length: to - from }, (_, index) => ({ n: from + index, t, s: "x".repeat(64) }))
}

/** What a child process does with one system. */
export interface Driver {
  /** Inserts these jobs in bulk; resolves after the commit. */
  readonly bulk: (jobs: ReadonlyArray<Payload>) => Promise<void>
  /** Begins to claim; calls `onJob` at the start of each handler. */
  readonly work: (onJob: (n: number) => void) => Promise<void>
  /** Stops claiming, waits for what runs, closes the connections. */
  readonly close: () => Promise<void>
  /** Figures of the driver itself, for example milliseconds per statement. */
  readonly figures?: (() => Readonly<Record<string, number>>) | undefined
}

/** How a child process finds a driver: a module of this folder that exports `open`, and the name that it is given. */
export interface DriverAddress {
  readonly module: string
  readonly name: string
}

/** The exported constructor of a driver module. */
export type OpenDriver = (name: string, url: string) => Promise<Driver>

/** A system under test. */
export interface JobSystem {
  /** Row label; unique. Also names its database. */
  readonly name: string
  /** What this row is, in one line. */
  readonly about: string
  /** Jobs of a full-size backlog. */
  readonly backlog: number
  /** Creates schema and queue in an empty database. */
  readonly prepare: (connection: PgConnection, url: string) => Promise<void>
  /** A query that answers one row with a boolean column `left`: is a job still stored as not ended? */
  readonly left: string
  readonly driver: DriverAddress
}
