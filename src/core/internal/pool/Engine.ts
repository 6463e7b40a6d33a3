/**
 * The state of a pool and its one loop.
 *
 *   waiting --a slot is free--> starting --launched--> running --> ended
 *      |                           |                     |
 *      +--cancelled, dropped-------+----> ended          +--asked to stop--> stopping --ended | grace over--> ended
 *
 * Every change happens in one synchronous step, so the figures add up at every instant: what runs never exceeds the
 * capacity, and what was submitted is the sum of what became of it. A submission is begun at most once and ends once.
 */
import * as Cause from "effect/Cause"
import type * as Clock from "effect/Clock"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import type * as Scheduler from "effect/Scheduler"
import { TaskInterrupted, TaskTimeout } from "../../TaskError.ts"
import { Watch } from "../../Watch.ts"
import { Lane, Line } from "./Line.ts"
import { isRecorded, prepare } from "./prepare.ts"
import type { Report } from "./report.ts"
import type { Submission } from "./Submission.ts"

/** Work started in one go, and the time that it may take before others get their turn. */
const batch = { starts: 1024, millis: 5 }

export interface Counts {
  submitted: number
  completed: number
  failed: number
  interrupted: number
  rejected: number
  dropped: number
  abandoned: number
  defects: number
  slow: number
}

export interface EngineOptions {
  readonly name: string
  readonly size: number
  /** Most that wait; infinite for no bound, 0 for no line. */
  readonly maxWaiting: number
  readonly dropsOldest: boolean
  readonly ageing: number
  readonly context: Context.Context<never>
  readonly clock: Clock.Clock
  readonly dispatcher: Scheduler.SchedulerDispatcher
  readonly report: Report
}

export class Engine {
  readonly name: string
  readonly counts: Counts = {
    submitted: 0,
    completed: 0,
    failed: 0,
    interrupted: 0,
    rejected: 0,
    dropped: 0,
    abandoned: 0,
    defects: 0,
    slow: 0
  }
  /** Slots in use. */
  running = 0
  size: number
  /** What runs outside of the slots, in the time of its caller. */
  readonly outsiders = new Set<Submission>()
  isOpen = true
  readonly line: Line
  /** Begun and not ended, also outside of the slots. */
  readonly active = new Lane()
  /** Ends of runs that never began and are still to be recorded. */
  private readonly endings = new Set<Fiber.Fiber<void>>()
  private readonly starting = new Lane()
  private readonly stopping = new Map<Submission, TaskTimeout | TaskInterrupted>()
  /** Called when nothing is in flight any more. */
  private readonly idle = new Set<() => void>()
  /** Those who wait for room in the line. */
  private readonly blocked = new Map<Submission, (isAccepted: boolean) => void>()
  private readonly options: EngineOptions
  private readonly epoch: bigint
  private readonly watch: Watch
  private lastInterruption: TaskInterrupted | undefined
  private lastContext: Context.Context<never>
  private fork: (effect: Effect.Effect<unknown, unknown>) => Fiber.Fiber<unknown, unknown>
  /** Ended in this turn of the loop, with somebody who waits. */
  private untold: Array<Submission> = []
  private isPumping = false
  private isScheduled = false

  constructor(options: EngineOptions) {
    this.options = options
    this.name = options.name
    this.size = options.size
    this.lastContext = options.context
    this.fork = Effect.runForkWith(options.context)
    this.line = new Line(options.ageing)
    this.epoch = options.clock.monotonicTimeNanosUnsafe()
    this.watch = new Watch(options.context, () => this.now(), () => this.look())
  }

  /** Takes a submission in: `full` and `closed` change nothing. */
  offer(submission: Submission): "accepted" | "full" | "closed" {
    if (!this.isOpen) return "closed"
    // who came first is served first
    if (this.blocked.size === 0 && this.admit(submission)) return "accepted"
    const oldest = this.options.dropsOldest ? this.line.lowest(submission.settings.rank) : undefined
    if (oldest === undefined) return "full"
    this.line.remove(oldest)
    this.admit(submission)
    this.counts.dropped += 1
    this.options.report.refused("dropOldest")
    this.unbegun(oldest, `pool ${this.name} was full, and it gave way to newer work`)
    return "accepted"
  }

  /** Takes a submission in as soon as there is room. `onEnd` learns whether that was before the pool closed. */
  block(submission: Submission, onEnd: (isAccepted: boolean) => void): () => void {
    this.blocked.set(submission, onEnd)
    return () => void this.blocked.delete(submission)
  }

  reject(policy: string): void {
    this.counts.submitted += 1
    this.counts.rejected += 1
    this.options.report.refused(policy)
  }

  /** Runs a submission at once, in no slot. */
  outside(submission: Submission): boolean {
    if (!this.isOpen) return false
    this.counts.submitted += 1
    submission.at = this.now()
    this.outsiders.add(submission)
    this.launch(submission)
    return true
  }

  cancel(submission: Submission): void {
    this.stop(submission, "cancelled")
  }

  /** Asks for the end of a submission. */
  stop(submission: Submission, reason: string): void {
    if (submission.place === "waiting") {
      this.line.remove(submission)
      this.counts.interrupted += 1
      this.unbegun(submission, reason)
      this.admitBlocked()
    } else if (submission.place === "starting") {
      this.starting.remove(submission)
      this.running -= 1
      this.counts.interrupted += 1
      this.unbegun(submission, reason)
      this.schedule()
    } else if (submission.place === "running") {
      this.cut(submission, this.interruption(submission, reason))
    }
    this.settle()
  }

  /** All that has not begun. */
  pending(): Array<Submission> {
    return [...this.starting.all(), ...this.line.all()]
  }

  /** Lets go of what was asked to stop and did not. */
  abandon(submission: Submission): void {
    const verdict = this.stopping.get(submission)
    if (verdict === undefined || submission.exit !== undefined) return
    this.counts.abandoned += 1
    this.options.report.abandoned(this.nameOf(submission))
    this.ended(submission, Exit.interrupt())
    this.schedule()
  }

  resize(size: number): void {
    this.size = size
    this.schedule()
  }

  /** What has been accepted and has not ended. */
  get inFlight(): number {
    return this.starting.size + this.line.size + this.active.size
  }

  /** Nothing is in flight or still to be recorded. */
  get isIdle(): boolean {
    return this.inFlight === 0 && this.endings.size === 0
  }

  onIdle(listener: () => void): () => void {
    this.idle.add(listener)
    return () => void this.idle.delete(listener)
  }

  get waitingForRoom(): number {
    return this.blocked.size
  }

  /** Takes no more. Those who wait for room learn it. */
  close(): void {
    this.isOpen = false
    const waiting = Array.from(this.blocked.values())
    this.blocked.clear()
    for (const onEnd of waiting) onEnd(false)
  }

  /** No timer is left behind. */
  rest(): void {
    this.watch.stop()
  }

  nameOf(submission: Submission): string {
    return submission.settings.name ?? `of pool ${this.name}`
  }

  /** Many end for the same reason at the same time. */
  private interruption(submission: Submission, reason: string): TaskInterrupted {
    const task = this.nameOf(submission)
    if (this.lastInterruption?.task !== task || this.lastInterruption.reason !== reason) {
      this.lastInterruption = new TaskInterrupted({ task, reason })
    }
    return this.lastInterruption
  }

  private now(): number {
    return Number((this.options.clock.monotonicTimeNanosUnsafe() - this.epoch) / 1_000_000n)
  }

  private schedule(): void {
    if (this.isScheduled || this.isPumping) return
    this.isScheduled = true
    this.options.dispatcher.scheduleTask(() => {
      this.isScheduled = false
      this.pump()
    }, 0)
  }

  /** Fills the free slots. What ends meanwhile frees its slot for the same loop. */
  private pump(): void {
    if (this.isPumping) return
    this.isPumping = true
    const since = this.now()
    let isCut = false
    for (let starts = 0;; starts++) {
      const submission = this.starting.shift() ?? this.fromLine() ?? this.fromBlocked()
      if (submission === undefined) break
      this.launch(submission)
      if (starts < batch.starts && submission.at - since < batch.millis) continue
      isCut = true
      break
    }
    this.isPumping = false
    if (isCut) this.schedule()
    this.tell()
    this.settle()
  }

  private fromLine(): Submission | undefined {
    if (this.running >= this.size) return undefined
    const submission = this.line.shift()
    if (submission === undefined) return undefined
    this.running += 1
    this.admitBlocked()
    return submission
  }

  private fromBlocked(): Submission | undefined {
    this.admitBlocked()
    return this.starting.shift()
  }

  private admitBlocked(): void {
    while (this.isOpen) {
      const first = this.blocked.entries().next().value
      if (first === undefined || !this.admit(first[0])) return
      this.blocked.delete(first[0])
      first[1](true)
    }
  }

  /** Gives a slot or a place in the line, if there is one. */
  private admit(submission: Submission): boolean {
    if (this.running < this.size && this.line.size === 0) {
      this.running += 1
      submission.place = "starting"
      this.starting.push(submission)
      this.schedule()
    } else if (this.line.size < this.options.maxWaiting) {
      submission.place = "waiting"
      this.line.push(submission)
    } else return false
    submission.at = this.now()
    this.counts.submitted += 1
    return true
  }

  private launch(submission: Submission): void {
    const { context = this.options.context, settings, work } = submission
    if (work === undefined) return
    const now = this.now()
    submission.at = now
    submission.place = "running"
    this.active.push(submission)
    if (context !== this.lastContext) {
      this.lastContext = context
      this.fork = Effect.runForkWith(context)
    }
    const fiber = this.fork(prepare(work, settings, this.name))
    const exit = fiber.pollUnsafe()
    if (exit !== undefined) return this.ended(submission, exit)
    submission.fiber = fiber
    fiber.addObserver((exit) => {
      this.ended(submission, exit)
      this.pump()
    })
    // it may have been asked to stop by its own first steps
    if (this.stopping.has(submission)) return fiber.interruptUnsafe()
    const { softTimeout, timeout } = settings
    const first = softTimeout === -1 || (timeout !== -1 && timeout <= softTimeout) ? timeout : softTimeout
    if (first !== -1) this.lookAt(submission, now + first)
  }

  private lookAt(submission: Submission, due: number): void {
    submission.due = due
    this.watch.at(due)
  }

  /** Deals with the limits that are over; gives the next one. */
  private look(): number {
    const now = this.now()
    for (const submission of this.active.all()) {
      if (submission.due !== -1 && submission.due <= now) this.late(submission, now)
    }
    let next = -1
    for (let at = this.active.head; at !== undefined; at = at.next) {
      if (at.due !== -1 && (next === -1 || at.due < next)) next = at.due
    }
    return next
  }

  private late(submission: Submission, now: number): void {
    if (submission.place === "stopping") return this.abandon(submission)
    const { softTimeout, timeout } = submission.settings
    submission.due = -1
    const ran = now - submission.at
    const isOver = timeout !== -1 && ran >= timeout
    if (isOver) return this.cut(submission, new TaskTimeout({ task: this.nameOf(submission), timeoutMs: timeout }))
    this.counts.slow += 1
    this.options.report.slow(submission, this.nameOf(submission), softTimeout)
    if (timeout !== -1) submission.due = submission.at + timeout
  }

  private cut(submission: Submission, verdict: TaskTimeout | TaskInterrupted): void {
    const { fiber, settings } = submission
    submission.place = "stopping"
    this.stopping.set(submission, verdict)
    if (settings.grace !== -1) this.lookAt(submission, this.now() + settings.grace)
    fiber?.interruptUnsafe()
  }

  private ended(submission: Submission, exit: Exit.Exit<unknown, unknown>): void {
    // it had been abandoned
    if (submission.exit !== undefined) return
    this.active.remove(submission)
    if (!this.outsiders.delete(submission)) this.running -= 1
    const final = exit._tag === "Success" && submission.place === "running" ? exit : this.verdict(submission, exit)
    if (final._tag === "Success") this.counts.completed += 1
    else this.count(submission, final)
    this.end(submission, final)
    if (!this.isPumping) this.settle()
  }

  /** Who waits is told at once, or when the loop has had its turn: then all at a time. */
  private end(submission: Submission, exit: Exit.Exit<unknown, unknown>): void {
    submission.end(exit)
    if (submission.observers === undefined) return
    if (this.isPumping) this.untold.push(submission)
    else submission.tell()
  }

  private tell(): void {
    const { untold } = this
    if (untold.length === 0) return
    this.untold = []
    for (const submission of untold) submission.tell()
  }

  private verdict(submission: Submission, exit: Exit.Exit<unknown, unknown>): Exit.Exit<unknown, unknown> {
    const verdict = this.stopping.get(submission)
    this.stopping.delete(submission)
    if (verdict instanceof TaskTimeout) {
      if (exit._tag === "Failure" && Cause.hasDies(exit.cause)) {
        this.options.report.broken(submission, verdict.task, exit.cause)
      }
      return Exit.fail(verdict)
    }
    if (exit._tag === "Success" || !Cause.hasInterruptsOnly(exit.cause)) return exit
    return Exit.fail(
      verdict ?? new TaskInterrupted({ task: this.nameOf(submission), reason: "it interrupted itself" })
    )
  }

  private count(submission: Submission, exit: Exit.Failure<unknown, unknown>): void {
    const isCut = exit.cause.reasons.some((reason) =>
      Cause.isFailReason(reason) && reason.error instanceof TaskInterrupted
    )
    if (isCut) this.counts.interrupted += 1
    else this.counts.failed += 1
    if (Cause.hasDies(exit.cause)) this.counts.defects += 1
    if (!isCut) this.options.report.failed(submission, this.nameOf(submission), exit.cause)
  }

  /** The end of what never began. */
  private unbegun(submission: Submission, reason: string): void {
    const error = this.interruption(submission, reason)
    const { context = this.options.context, work } = submission
    this.end(submission, Exit.fail(error))
    if (!isRecorded(work)) return
    const fiber = Effect.runForkWith(context)(work.giveUp(error))
    this.endings.add(fiber)
    fiber.addObserver(() => {
      this.endings.delete(fiber)
      this.settle()
    })
  }

  private settle(): void {
    if (!this.isIdle) return
    for (const listener of this.idle) listener()
  }
}
