/**
 * A job as the tables hold it. A waiting job is small: what only some jobs have is kept apart, and made when it is needed.
 */
import * as DateTime from "effect/DateTime"
import type * as Schema from "effect/Schema"
import { type JobFailure, JobId, type JobMeta, type JobReport, type JobState } from "../../Job.ts"
import type { AttemptEntry, NewJob } from "../../JobStore.ts"
import type { Slotted } from "./heap.ts"
import type { Entry } from "./members.ts"
import type { Queue } from "./tables.ts"

/**
 * `parked` waits for a limit, `slotted` for the instant at which its limit lets it start, and `held` for a pause: all three
 * are available to whoever looks from outside.
 */
type Place = JobState | "parked" | "slotted" | "held"

export interface Row extends Slotted {
  readonly id: bigint
  readonly queue: Queue
  readonly task: string
  payload: Schema.Json
  meta: JobMeta
  priority: number
  ord: bigint
  maxAttempts: number
  place: Place
  /** Due then, available since then, or running since then: by its place. */
  at: number
  life: Life | null
  extra: Extra | null
}

/** What is known of a job that was claimed once, or has ended. */
export interface Life {
  attempt: number
  lost: number
  epoch: number
  /** That runs it. */
  member: Entry | null
  /** Id of the member that had its newest attempt. */
  claimedBy: number | null
  /** That runs it or ended it. */
  node: string | null
  availableAt: number | null
  startedAt: number | null
  finishedAt: number | null
  progress: Schema.Json
  output: Schema.Json
  report: JobReport | null
  failure: JobFailure | null
  entries: Array<AttemptEntry>
  /** Why it waits although it failed not. */
  note: string | null
}

/** What most jobs do without. */
export interface Extra {
  /** Where its id does not say it. */
  createdAt: number | null
  key: { readonly name: string; until: number; readonly release: "done" | "started" | "forever" } | null
  /** Its own, or that of its queue when it was due first. */
  limit: NonNullable<NewJob["limit"]> | null
  /** It has a permit of its limit, or its slot of the rate. */
  isAdmitted: boolean
  /** Jobs that must end before it may go on. */
  waits: number
  readonly tenant: string | null
}

export const lifeOf = (row: Row): Life =>
  row.life ??= {
    attempt: 0,
    lost: 0,
    epoch: 0,
    member: null,
    claimedBy: null,
    node: null,
    availableAt: null,
    startedAt: null,
    finishedAt: null,
    progress: null,
    output: null,
    report: null,
    failure: null,
    entries: [],
    note: null
  }

/** Keeps what became of the attempt that ends now. */
export const record = (life: Life, said: Pick<AttemptEntry, "failure" | "logs">, now: number) =>
  life.entries.push({
    attempt: life.attempt,
    epoch: life.epoch,
    startedAt: life.startedAt === null ? null : DateTime.makeUnsafe(life.startedAt),
    at: DateTime.makeUnsafe(now),
    ...said
  })

export const extraOf = (row: Row): Extra =>
  row.extra ??= { createdAt: null, key: null, limit: null, isAdmitted: false, waits: 0, tenant: null }

export const idOf = ({ id }: Row) => JobId.make(String(id))

/** The order of a claim. */
export const isBefore = (a: Row, b: Row) =>
  a.priority !== b.priority ? a.priority < b.priority : a.ord !== b.ord ? a.ord < b.ord : a.id < b.id

export const isDueBefore = (a: Row, b: Row) => a.at !== b.at ? a.at < b.at : a.id < b.id

export const hasEnded = ({ place }: Row) => place === "completed" || place === "cancelled" || place === "discarded"

const millisOf = (id: bigint) => Number(id >> 20n)

export const createdAt = ({ extra, id }: Row) => extra?.createdAt ?? millisOf(id)

/** What an id says about the time of its making. */
export const saysTime = (id: bigint, now: number) => millisOf(id) === now
