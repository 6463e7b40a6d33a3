/** What the suite measures: a system runs the same Effect body for each of N tasks, and keeps a handle of every one. */
import * as Effect from "effect/Effect"

/** N tasks queued at once, and their end. */
export interface Queued {
  /** Keeps handles or promises alive. */
  readonly handles: ReadonlyArray<unknown>
  /** Ends when all tasks have. */
  readonly done: () => Promise<void>
}

/** A pool of 50 slots. */
export interface PoolSystem {
  readonly name: string
  readonly about: string
  readonly open: (concurrency: number) => Promise<{
    /** Queues n tasks within one turn of the event loop. */
    readonly queue: (n: number, body: Effect.Effect<void>) => Queued
    readonly close: () => Promise<void>
  }>
}

/** A body and how it is called in tables. */
export interface Workload {
  readonly name: "empty" | "suspends"
  readonly about: string
  readonly tasks: number
  /** Counts each run, so that no task may be left out. */
  readonly body: (count: () => void) => Effect.Effect<void>
}

export const workloads: ReadonlyArray<Workload> = [
  {
    name: "empty",
    about: "the body counts and ends",
    tasks: 1_000_000,
    body: (count) => Effect.sync(count)
  },
  {
    name: "suspends",
    about: "the body gives way to the event loop once, then counts",
    tasks: 200_000,
    body: (count) =>
      Effect.andThen(
        Effect.callback<void>((resume) => void setImmediate(() => resume(Effect.void))),
        Effect.sync(count)
      )
  }
]
