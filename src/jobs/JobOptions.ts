/**
 * What may be said of a job when it is enqueued.
 */
import type * as DateTime from "effect/DateTime"
import type * as Duration from "effect/Duration"
import type { Any } from "../core/Task.ts"
import type { Trigger } from "../core/TaskRun.ts"
import type { JobId } from "./Job.ts"
import type * as JobStore from "./JobStore.ts"

/**
 * @category models
 */
export interface JobOptions<Payload> {
  /** Defaults to `default`. At most 128 characters. */
  readonly queue?: string | undefined
  /** From -32768 to 32767, lower first; `high` is -100, `normal` 0, `low` 100. Defaults to `normal`. */
  readonly priority?: number | "high" | "normal" | "low" | undefined
  /** How long from now until it is due, by the store's clock. Defaults to now. */
  readonly delay?: Duration.Input | undefined
  /** When it is due, in place of `delay`. */
  readonly at?: DateTime.DateTime | undefined
  /** At most one job with this key. Defaults to any number. */
  readonly unique?: Unique<Payload> | undefined
  /** Attempts after which it is discarded, from 1 to 32767. Defaults to `20`; the task's own retry policy may stop before. */
  readonly maxAttempts?: number | undefined
  /** Limit of one attempt. Defaults to that of the task. */
  readonly timeout?: Duration.Input | undefined
  /** When it is discarded unless it has completed: an instant, or how long from now, by the store's clock. */
  readonly deadline?: Duration.Input | DateTime.DateTime | undefined
  /** Words to find it by. At most 64. */
  readonly tags?: ReadonlyArray<string> | undefined
  /** Whose it is. Defaults to the tenant of the `RunContext`. */
  readonly tenant?: string | undefined
  /** A limit and the key in it, e.g. `{ name: "forge", key: "github.com" }`. Defaults to the limit of the queue. */
  readonly limit?: { readonly name: string; readonly key: string } | undefined
  /**
   * Jobs with the same key run one after the other, in the order in which they were enqueued, whatever their task and
   * queue; also when one is retried. Takes the place of `limit`.
   */
  readonly orderBy?: string | undefined
  /** Its share in a fair queue. Defaults to `1`. */
  readonly cost?: number | undefined
  /** From `JobQueue.newId` or `JobQueue.idFrom`: a second enqueue with it makes no second job. */
  readonly id?: JobId | undefined
  /** Jobs that must end first. */
  readonly after?: ReadonlyArray<Parent> | undefined
  /** What asked for it. Defaults to the run that this code is part of, else `code`. */
  readonly trigger?: Trigger | undefined
  /** Version of the payload as it is given. Defaults to that of the task. */
  readonly version?: number | undefined
}

/**
 * A job that another waits for: known by its id, or enqueued by the same call. It has to complete, unless `on` says
 * otherwise; a job that can no longer go on is cancelled.
 *
 * @category models
 */
export type Parent = JobId | JobRequest | {
  readonly job: JobId | JobRequest
  readonly on: "completed" | "failed" | "any"
}

/**
 * Which jobs are the same, and for how long.
 *
 * @category models
 */
export interface Unique<Payload> {
  /** Fields of the payload that must be equal, within the task and the tenant. Defaults to all. */
  readonly by?: ReadonlyArray<keyof Payload & string> | undefined
  /** The key is free again after that time, whatever became of the job. Defaults to no time. */
  readonly within?: Duration.Input | undefined
  /** What else frees the key. Defaults to `done`, where `within` is given to `forever`: nothing. */
  readonly until?: "done" | "started" | "forever" | undefined
  /**
   * What happens where the key is taken by a job that does not run yet. `merge` makes one payload of both, and one job.
   * Where the holder runs already, the new job is its duplicate. Defaults to `skip`.
   */
  readonly onConflict?:
    | JobStore.OnConflict
    | { readonly merge: (held: Payload, next: Payload) => Payload }
    | undefined
}

/**
 * A job to be enqueued, made by `JobQueue.job`.
 *
 * @category models
 */
export interface JobRequest {
  readonly task: Any
  readonly payload: unknown
  readonly options: Omit<JobOptions<unknown>, "unique"> & {
    readonly unique?:
      | Omit<Unique<never>, "onConflict"> & {
        readonly onConflict?:
          | JobStore.OnConflict
          | { readonly merge: (held: never, next: never) => unknown }
          | undefined
      }
      | undefined
  }
}
