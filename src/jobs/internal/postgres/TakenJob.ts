/**
 * A claimed job as this driver hands it over: the columns of its row, and everything else made when somebody asks for it,
 * because thousands of these come and go in a second, and most end without anybody having seen their id.
 */
import type * as Schema from "effect/Schema"
import type { JobId, JobMeta } from "../../Job.ts"
import type { Claimed } from "../../JobStore.ts"
import { idOf } from "./ids.ts"

/** Where a claimed job is: what a write about it names, besides worker and epoch. */
export interface Address {
  readonly queueId: number
  readonly priority: number
  readonly ord: bigint
  readonly jobId: bigint
  /** 1 has a key | 2 has children | 4 has a limit | 16 the key is free at the start | 32 keeps its permit | 64 something is paused. */
  readonly flags: number
}

// every job that is handed over here has one
// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the driver's own, opaque to everybody else
export const addressOf = (job: Claimed): Address => job.address as Address

/** What is asked of the function `claim`, in the order of `Row`. Null is what costs nothing to send and to read. */
export const columns = `job_id, nullif(ord, job_id), nullif(priority, 0), nullif(flags, 0), task_id, args, meta, epoch,
  attempt, nullif(lost, 0), max_attempts, available_at, started_at, nullif(created_at, available_at)`

export type Row = readonly [
  jobId: bigint,
  /** Null: the same as the id. */
  ord: bigint | null,
  priority: number | null,
  flags: number | null,
  taskId: number,
  payload: Schema.Json,
  meta: JobMeta | null,
  epoch: number,
  attempt: number,
  lost: number | null,
  maxAttempts: number,
  availableAt: Date,
  startedAt: Date,
  /** Null: the same as `availableAt`. */
  createdAt: Date | null
]

const noMeta: JobMeta = {}

export class TakenJob implements Claimed, Address {
  readonly queue: string
  readonly queueId: number
  readonly task: string
  private readonly row: Row
  private knownId: JobId | undefined

  constructor(queue: string, queueId: number, task: string, row: Row) {
    this.queue = queue
    this.queueId = queueId
    this.task = task
    this.row = row
    this.knownId = undefined
  }

  get id(): JobId {
    return this.knownId ??= idOf(this.row[0])
  }
  get jobId(): bigint {
    return this.row[0]
  }
  get ord(): bigint {
    return this.row[1] ?? this.row[0]
  }
  get priority(): number {
    return this.row[2] ?? 0
  }
  get flags(): number {
    return this.row[3] ?? 0
  }
  get payload(): Schema.Json {
    return this.row[5]
  }
  get meta(): JobMeta {
    return this.row[6] ?? noMeta
  }
  get epoch(): number {
    return this.row[7]
  }
  get attempt(): number {
    return this.row[8]
  }
  get lost(): number {
    return this.row[9] ?? 0
  }
  get maxAttempts(): number {
    return this.row[10]
  }
  get availableAt(): number {
    return this.row[11].getTime()
  }
  get startedAt(): number {
    return this.row[12].getTime()
  }
  get createdAt(): number {
    return (this.row[13] ?? this.row[11]).getTime()
  }
  get awaited(): boolean {
    return (this.flags & 2) === 2
  }
  get mayBeHeld(): boolean {
    return (this.flags & 64) === 64
  }
  get address(): Address {
    return this
  }
}
