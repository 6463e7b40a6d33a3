/** Where a system keeps its jobs: the server side of one measurement, fresh and empty. */
import type { Server } from "../../../postgres.ts"

/** A fresh place. */
export interface Place {
  /** What drivers connect to. */
  readonly url: string
  /** CPU seconds that the server used so far. */
  readonly cpuSeconds: () => number
  /** Bytes that went to the log that makes commits durable, so far. */
  readonly logBytes: () => Promise<number>
  /** After a fill, before the clock runs: statistics are fresh, and unless only those are asked for nothing is left to flush. */
  readonly settle: (what: "all" | "statistics") => Promise<void>
  /** Is a job still stored as not ended? */
  readonly isLeft: () => Promise<boolean>
  readonly close: () => Promise<void>
}

/** Opens one; `server` is the Postgres of the run, and a label keeps places of one system apart that are open together. */
export type OpenPlace = (server: Server, label?: string) => Promise<Place>
