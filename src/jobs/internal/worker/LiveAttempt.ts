/**
 * A job in the hands of this process: from its claim until its end is written down.
 *
 *   held --a slot is free--> running --ended--> ended --recorded--> (gone)
 *     |                        |
 *     +--handed back           +--asked to stop--> stopping --ended | grace over--> ended
 *
 * It is what its handler sees as `Attempt`, and it hears what the attempt tells: nothing is made before it is needed,
 * because thousands of these come and go in a second.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import { NodeInspectSymbol } from "effect/Inspectable"
import type * as Logger from "effect/Logger"
import type * as Schema from "effect/Schema"
import type { Attempt, Items } from "../../../core/Attempt.ts"
import type { Journal } from "../../../core/AttemptRunner.ts"
import type { CheckpointStore } from "../../../core/CheckpointStore.ts"
import type { Cancellation, LogLine, RunId, StageRecord, Trigger } from "../../../core/TaskRun.ts"
import { type JobReport, runIdOf } from "../../Job.ts"
import type { Claimed, JobStore } from "../../JobStore.ts"
import { annotationsOf } from "./annotations.ts"
import { Lines } from "./Lines.ts"
import type { Membership } from "./Membership.ts"
import type { Served } from "./Served.ts"

/** Why an attempt was asked to stop. */
export type Verdict =
  | { readonly kind: "cancelled"; readonly by: Cancellation }
  | { readonly kind: "timeout"; readonly timeoutMs: number }
  | { readonly kind: "deadline" }
  | { readonly kind: "shutdown" }
  | { readonly kind: "lost" }

/** What an attempt needs of its worker. */
export interface Surroundings {
  readonly store: JobStore["Service"]
  readonly checkpoints: CheckpointStore["Service"] | null
  /** Milliseconds of the worker's life. */
  readonly now: () => number
  /** Tells the store, soon, how far an attempt is. */
  readonly say: (live: LiveAttempt, value: Schema.Json) => void
  /** Gives what attempts log to them. */
  readonly logger: Logger.Logger<unknown, void>
}

type Place = "held" | "running" | "stopping" | "ended"

/** The attempt that this fiber works for; null outside of jobs. */
export const CurrentAttempt: Context.Reference<LiveAttempt | null> = Context.Reference(
  "ostinato/jobs/internal/worker/CurrentAttempt",
  { defaultValue: (): LiveAttempt | null => null }
)

const byCode: Trigger = { kind: "code" }

/** Stages kept of an attempt. */
const capacity = 100

type AttemptService = Attempt["Service"]

export class LiveAttempt implements AttemptService, Journal {
  readonly job: Claimed
  readonly membership: Membership
  readonly around: Surroundings
  place: Place = "held"
  /** Its place among those that run. */
  slot = -1
  /** When it was claimed, and when its handler was begun, -1 before that: milliseconds of the worker's life. */
  readonly claimedAt: number
  begunAt = -1
  /** When somebody has to look at it; -1 for never. */
  due = -1
  fiber: Fiber.Fiber<unknown, unknown> | undefined
  verdict: Verdict | undefined
  /** Writes a value of its task. */
  encode: Served["encode"] = () => Effect.undefined
  graceMs = -1
  limitMs = -1
  /** Completed in a transaction of the handler's, if that was committed. */
  isCompletedTx = false
  private lines: Lines | undefined
  private reports: Map<string, Items> | undefined
  private stages: Array<StageRecord> | undefined
  private knownRunId: RunId | undefined

  constructor(job: Claimed, membership: Membership, around: Surroundings, claimedAt: number) {
    this.job = job
    this.membership = membership
    this.around = around
    this.claimedAt = claimedAt
  }

  get runId(): RunId {
    return this.knownRunId ??= runIdOf(this.job.id)
  }

  /** Its job, as its handler sees it. */
  get current() {
    const { attempt, id, lost, maxAttempts, meta, queue } = this.job
    return { id, queue, attempt, maxAttempts, lost, meta, deadline: meta.deadline ?? null }
  }

  get trigger(): Trigger {
    return this.job.meta.trigger ?? byCode
  }

  get task(): string {
    return this.job.task
  }

  get number(): number {
    return this.job.attempt
  }

  /** Now, by the clock of the store. */
  get storeNow(): number {
    return this.job.startedAt + (this.around.now() - this.claimedAt)
  }

  get onItems(): (items: Items) => Effect.Effect<void> {
    return (items) => Effect.sync(() => this.items(this.task, items))
  }

  /** What every line of its log carries. */
  get annotations(): Readonly<Record<string, unknown>> {
    return annotationsOf(this)
  }

  /** A console looks behind the record of annotations, at what it reads from: that shows the record. */
  [NodeInspectSymbol](): unknown {
    return Object.fromEntries(Object.entries(this))
  }

  get logs(): ReadonlyArray<LogLine> {
    return this.lines?.lines ?? noLines
  }

  get report(): JobReport | null {
    if (this.reports === undefined && this.stages === undefined) return null
    return {
      ...(this.reports === undefined ? {} : { items: Array.from(this.reports.values()).reduce(sum) }),
      ...(this.stages === undefined ? {} : { stages: this.stages })
    }
  }

  logged(line: LogLine): void {
    if (this.place !== "ended") (this.lines ??= new Lines()).push(line)
  }

  /** Asks it to stop. The first reason counts. */
  stop(verdict: Verdict): void {
    if (this.place !== "running") return
    this.place = "stopping"
    this.verdict = verdict
    this.fiber?.interruptUnsafe()
  }

  // what core tells a run's journal; attempts of a job are counted by its store
  get logger() {
    return this.around.logger
  }
  begin(): void {}
  add(): void {}

  items(place: string, items: Items): void {
    ;(this.reports ??= new Map()).set(place, items)
  }

  stage(stage: StageRecord): void {
    const stages = this.stages ??= []
    stages.push(stage)
    if (stages.length > capacity) stages.shift()
  }
}

const noLines: ReadonlyArray<LogLine> = []

const sum = (a: Items, b: Items): Items => ({
  succeeded: a.succeeded + b.succeeded,
  failed: a.failed + b.failed,
  summary: [a.summary, b.summary].filter((summary) => summary !== "").join("; ")
})
