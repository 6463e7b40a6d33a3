/** A pool of threads as the suite sees it. */
export interface ThreadSystem {
  readonly name: string
  readonly about: string
  /** Opens a pool of so many threads; `ahead` is how many calls a thread may hold where a pool must be told. */
  readonly open: (threads: number, ahead: number) => Promise<OpenPool>
}

/** A pool that is open. */
export interface OpenPool {
  /** Keeps so many calls in flight until `until`, and gives how many have ended. Monotonic milliseconds. */
  readonly drive: (work: "nothing" | "millisecond", inFlight: number, until: number) => Promise<number>
  readonly once: () => Promise<unknown>
  /** Starts a loop that never ends, and gives what stops it. */
  readonly spin: (begun: SharedArrayBuffer) => () => Promise<unknown>
  readonly close: () => Promise<void>
}
