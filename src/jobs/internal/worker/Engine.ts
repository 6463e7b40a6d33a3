/**
 * The jobs that a worker has in hand, and the one place where they change: begun when a slot of their queue is free, cut
 * short when somebody or a limit says so, let go when they ignore it, and turned into an end for the store.
 *
 * Every change happens in one synchronous step, so the figures add up at every instant: what runs never exceeds the
 * slots, and every claimed job leaves as exactly one end, is given back, or was lost with its lease.
 */
import * as Cause from "effect/Cause"
import type * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Scheduler from "effect/Scheduler"
import type { Cancellation } from "../../../core/TaskRun.ts"
import { Watch } from "../../../core/Watch.ts"
import type { JobId } from "../../Job.ts"
import type { JobStoreUnavailable } from "../../JobError.ts"
import type { Claimed, End } from "../../JobStore.ts"
import { immediate } from "../immediate.ts"
import * as attempting from "./attempting.ts"
import { Isolation } from "./Isolation.ts"
import type { Lane } from "./Lane.ts"
import { CurrentAttempt, LiveAttempt, type Surroundings, type Verdict } from "./LiveAttempt.ts"
import type { Membership } from "./Membership.ts"
import * as outcome from "./outcome.ts"
import type { Report } from "./report.ts"
import { Results } from "./Results.ts"
import type { Served } from "./Served.ts"
import { signalled } from "./signal.ts"
import { isTraced } from "./span.ts"

/** Milliseconds for which work is begun in one go, before others get their turn. */
const slice = 5

export interface EngineOptions {
  readonly lanes: ReadonlyArray<Lane>
  readonly served: ReadonlyMap<string, Served>
  readonly base: Context.Context<never>
  readonly clock: Clock.Clock
  readonly dispatcher: Scheduler.SchedulerDispatcher
  readonly report: Report
  readonly around: Omit<Surroundings, "now">
  /** Why the job must not start now: the name of a hold; null where it may. */
  readonly holds: (job: Claimed) => string | null
  /** Tells the store what of this membership runs alone; null: nothing. */
  readonly isolate: (membership: Membership, job: Claimed | null) => Effect.Effect<boolean, JobStoreUnavailable>
}

export class Engine {
  readonly results = new Results()
  readonly lanes: ReadonlyMap<string, Lane>
  /** It takes more. */
  isOpen = true
  /** Attempts that ignored the request to stop, and still go on. */
  stuck = 0
  /** Attempts that were let go by the stop of the worker. */
  abandoned = 0
  private readonly options: EngineOptions
  private readonly around: Surroundings
  private readonly epoch: bigint
  private readonly watch: Watch
  private readonly isTraced: boolean
  private readonly idle = new Set<() => void>()
  private readonly isolation: Isolation
  /** Whose turn it is: the place of a lane. */
  private turn = 0
  /** The last look at the clock: what begins right after an end begins when that was. */
  private at = 0
  private isScheduled = false
  private isPumping = false

  constructor(options: EngineOptions) {
    this.options = options
    this.lanes = new Map(options.lanes.map((lane) => [lane.name, lane]))
    this.epoch = options.clock.monotonicTimeNanosUnsafe()
    this.around = { ...options.around, now: () => this.now() }
    this.watch = new Watch(options.base, () => this.now(), () => this.look())
    this.isTraced = isTraced(options.base)
    this.isolation = new Isolation({
      lanes: this.lanes,
      now: () => this.at = this.now(),
      running: () => this.running,
      stuck: () => this.stuck,
      isRecorded: () => this.results.isIdle,
      begin: (lane, live) => this.begin(lane, live),
      record: (live, end) => this.record(live, end),
      giveBack: (live) => this.giveBack(live),
      schedule: () => this.schedule(),
      wakeAt: (due) => this.watch.at(due),
      tell: (membership, job, then) =>
        Effect.runForkWith(options.base)(options.isolate(membership, job)).addObserver((exit) =>
          then(Exit.isSuccess(exit) && exit.value)
        )
    })
  }

  now(): number {
    return Number(this.options.clock.monotonicTimeNanosUnsafe() - this.epoch) / 1e6
  }

  /** Takes over what was claimed. */
  take(lane: Lane, jobs: ReadonlyArray<Claimed>, membership: Membership): void {
    membership.inHand += jobs.length
    const at = this.now()
    for (const job of jobs) {
      const live = new LiveAttempt(job, membership, this.around, at)
      const isSuspect = Isolation.concerns(job)
      if (!this.isOpen || membership.state === "lost" || (this.isIsolated && !isSuspect)) this.giveBack(live)
      else {
        if (isSuspect) this.isolation.enter(live)
        lane.hold(live)
      }
    }
    this.schedule()
  }

  /** A job is to run alone, so nothing else may be begun or claimed. */
  get isIsolated(): boolean {
    return this.isolation.isTaken
  }

  /** Ends a job because somebody wants it to. `false`: it is not in hand. */
  cancel(id: JobId, by: Cancellation): boolean {
    for (const lane of this.lanes.values()) {
      const [held] = lane.unbegun((live) => live.job.id === id)
      if (held !== undefined) {
        this.record(held, outcome.cancelled(held, by))
        return true
      }
      const live = lane.find((live) => live.job.id === id)
      if (live === undefined) continue
      this.cut(live, { kind: "cancelled", by })
      return true
    }
    return this.results.has(id)
  }

  /** Its lease is lost: nothing that was claimed under it goes on, and nothing of it is recorded. */
  lose(membership: Membership): void {
    membership.state = "lost"
    const isIts = (live: LiveAttempt) => live.membership === membership
    for (const lane of this.lanes.values()) {
      for (const live of lane.unbegun(isIts)) this.letGo(live)
      for (const live of lane.running) if (isIts(live)) this.cut(live, { kind: "lost" })
      lane.noteRoom()
    }
    this.results.bell.ring()
  }

  /** Takes no more, and gives back what has not begun. */
  close(): void {
    this.isOpen = false
    for (const lane of this.lanes.values()) {
      for (const live of lane.unbegun()) this.giveBack(live)
      lane.bell.ring()
    }
    this.settle()
  }

  /** Asks all that runs to stop within this many milliseconds. */
  interrupt(graceMs: number): void {
    for (const lane of this.lanes.values()) {
      for (const live of lane.running) {
        if (live.place === "running") this.cut(live, { kind: "shutdown" }, graceMs)
        else this.lookAt(live, Math.min(live.due === -1 ? Infinity : live.due, this.now() + graceMs))
      }
    }
  }

  /** Lets go of all that has not stopped. */
  abandonAll(): void {
    for (const lane of this.lanes.values()) {
      for (const live of lane.running) this.abandon(live)
    }
    this.watch.stop()
  }

  get running(): number {
    let running = 0
    for (const lane of this.lanes.values()) running += lane.running.size
    return running
  }

  /** Nothing is in hand, and no claim under way. */
  get isIdle(): boolean {
    if (!this.results.isIdle) return false
    for (const lane of this.lanes.values()) if (lane.inHand > 0 || lane.isClaiming) return false
    return true
  }

  /** Ends are still to come soon, so it pays to record them together. */
  get isBusy(): boolean {
    return this.isScheduled || this.isPumping
  }

  onIdle(listener: () => void): () => void {
    this.idle.add(listener)
    return () => void this.idle.delete(listener)
  }

  settle(): void {
    if (this.isolation.isWaiting) this.schedule()
    if (this.idle.size === 0 || !this.isIdle) return
    for (const listener of this.idle) listener()
  }

  schedule(): void {
    if (this.isScheduled) return
    this.isScheduled = true
    this.options.dispatcher.scheduleTask(() => {
      this.isScheduled = false
      this.pump()
    }, 0)
  }

  /** Fills the free slots. What ends meanwhile frees its slot for the same loop. */
  private pump(): void {
    if (this.isPumping) return
    if (this.isIsolated) return this.isolation.pump()
    this.isPumping = true
    const since = this.at = this.now()
    const lanes = Array.from(this.lanes.values())
    let isCut = false
    // after a cut it is the next queue's turn, so none waits for the end of another's backlog
    for (let i = 0; i < lanes.length && !isCut; i++) {
      const lane = lanes[this.turn % lanes.length]
      if (lane === undefined) break
      isCut = this.fill(lane, since)
      lane.noteRoom()
      if (isCut || i < lanes.length - 1) this.turn = (this.turn + 1) % lanes.length
    }
    this.isPumping = false
    if (isCut) this.schedule()
  }

  /** Whether it was cut short. */
  private fill(lane: Lane, since: number): boolean {
    while (lane.running.size < lane.capacity) {
      const live = lane.next()
      if (live === undefined) break
      this.begin(lane, live)
      if (this.at - since >= slice) return true
    }
    return false
  }

  private begin(lane: Lane, live: LiveAttempt): void {
    const { job } = live
    const served = this.options.served.get(job.task)
    if (served === undefined) return this.record(live, outcome.unknown(live))
    const hold = this.options.holds(job)
    if (hold !== null) return this.record(live, outcome.held(live, hold))
    live.begunAt = this.at
    const { deadline, timeoutMs } = job.meta
    const left = deadline === undefined ? -1 : deadline - live.storeNow
    if (deadline !== undefined && left <= 0) return this.record(live, outcome.expired(live))
    live.place = "running"
    live.encode = served.encode
    live.graceMs = served.graceMs
    live.limitMs = timeoutMs === undefined ? served.timeoutMs : Math.max(1, timeoutMs)
    lane.running.add(live)
    const fiber = Effect.runForkWith(attempting.contextOf(live, served))(
      attempting.effectOf(live, served, this.isTraced)
    )
    const exit = fiber.pollUnsafe()
    if (exit !== undefined) return this.ended(lane, live, served, exit)
    this.at = this.now()
    live.fiber = fiber
    fiber.addObserver((exit) => {
      this.ended(lane, live, served, exit)
      if (lane.prefetched > 0 || this.isIsolated) this.schedule()
    })
    // it may have been asked to stop by its own first steps
    if (live.verdict !== undefined) return fiber.interruptUnsafe()
    const limit = served.ready.keepsLimit ? -1 : live.limitMs
    const first = limit === -1 ? left : left === -1 ? limit : Math.min(limit, left)
    if (first !== -1) this.lookAt(live, live.begunAt + first)
  }

  private lookAt(live: LiveAttempt, due: number): void {
    live.due = due
    this.watch.at(due)
  }

  /** Deals with the limits that are over; gives the next one. */
  private look(): number {
    const now = this.now()
    let next = -1
    for (const lane of this.lanes.values()) {
      for (const live of lane.running) {
        if (live.due !== -1 && live.due <= now) this.late(live, now)
        if (live.due !== -1 && live.place !== "ended" && (next === -1 || live.due < next)) next = live.due
      }
    }
    const { due } = this.isolation
    if (due === -1) return next
    if (due > now) return next === -1 ? due : Math.min(next, due)
    for (const lane of this.lanes.values()) lane.noteRoom()
    this.schedule()
    return next
  }

  private late(live: LiveAttempt, now: number): void {
    if (live.place === "stopping") return this.abandon(live)
    const isLimit = live.limitMs !== -1 && now - live.begunAt >= live.limitMs
    this.cut(live, isLimit ? { kind: "timeout", timeoutMs: live.limitMs } : { kind: "deadline" })
  }

  private cut(live: LiveAttempt, verdict: Verdict, graceMs = live.graceMs): void {
    if (live.place !== "running") return
    if (graceMs === -1) live.due = -1
    else this.lookAt(live, this.now() + graceMs)
    live.stop(verdict)
  }

  /** Lets go of what was asked to stop and did not. Its slot is free, and it can change nothing any more. */
  private abandon(live: LiveAttempt): void {
    if (live.place !== "stopping") return
    const lane = this.lanes.get(live.job.queue)
    const served = this.options.served.get(live.job.task)
    if (lane === undefined || served === undefined) return
    this.stuck += 1
    live.fiber?.addObserver(() => void (this.stuck -= 1))
    this.options.report.stuck(live)
    if (live.verdict?.kind === "shutdown") {
      this.abandoned += 1
      live.place = "ended"
      lane.freed(live)
      this.letGo(live)
    } else this.ended(lane, live, served, Exit.interrupt())
    this.schedule()
  }

  private ended(lane: Lane, live: LiveAttempt, served: Served, exit: Exit.Exit<unknown, unknown>): void {
    // it had been abandoned
    if (live.place === "ended") return
    this.at = this.now()
    live.place = "ended"
    live.fiber = undefined
    lane.freed(live)
    if (live.membership.state === "lost") return this.letGo(live)
    if (exit._tag === "Failure" && live.verdict?.kind === "shutdown" && isCutShort(exit.cause)) {
      if (Cause.hasDies(exit.cause)) this.options.report.brokeWhileStopping(live, exit.cause)
      return this.giveBack(live)
    }
    const end = exit._tag === "Success"
      ? outcome.completed(live, served, exit.value)
      : outcome.failed(live, served, exit.cause)
    const plain = immediate(end)
    if (plain !== undefined) return this.record(live, plain.value, this.at)
    this.results.pending += 1
    const context = Context.add(this.options.base, CurrentAttempt, null)
    Effect.runForkWith(context)(end).addObserver((decided) => {
      this.results.pending -= 1
      // deciding has no failures of its own; if it broke, the job must not be lost
      this.record(live, Exit.isSuccess(decided) ? decided.value : outcome.undecided(live, decided.cause))
      this.settle()
    })
  }

  private record(live: LiveAttempt, end: End, at = this.now()): void {
    live.place = "ended"
    this.options.report.ended(live, end, at)
    this.results.push(live, end)
  }

  private giveBack(live: LiveAttempt): void {
    live.place = "ended"
    this.results.giveBack(live)
  }

  /** Nobody is to be told. */
  private letGo(live: LiveAttempt): void {
    live.place = "ended"
    live.membership.inHand -= 1
    for (const lane of this.lanes.values()) lane.noteRoom()
    this.settle()
  }
}

const isCutShort = (cause: Cause.Cause<unknown>): boolean =>
  !Cause.hasFails(cause) && Cause.hasInterrupts(cause) && signalled(cause) === undefined
