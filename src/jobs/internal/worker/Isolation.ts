/**
 * Carries out the quarantine of a worker: makes room for a job that is to run alone, tells the store, begins it, and lets
 * others join it when it has run for long enough. Where the store cannot be told, or no slot is free, the job is put off.
 */
import type { Claimed, End } from "../../JobStore.ts"
import type { Lane } from "./Lane.ts"
import type { LiveAttempt } from "./LiveAttempt.ts"
import type { Membership } from "./Membership.ts"
import * as outcome from "./outcome.ts"
import { Quarantine } from "./Quarantine.ts"

/** Milliseconds until a job that found no free slot is tried again. */
const slotAgain = 30_000

/** Milliseconds until the store is asked again. */
const storeAgain = 1000

/** What it needs of the engine. */
export interface Host {
  readonly lanes: ReadonlyMap<string, Lane>
  readonly now: () => number
  /** Attempts that run. */
  readonly running: () => number
  /** Attempts that were let go, and still run. */
  readonly stuck: () => number
  /** Every end so far is recorded. */
  readonly isRecorded: () => boolean
  /** Begins a job that nobody holds any more; afterwards it runs, or has ended. */
  readonly begin: (lane: Lane, live: LiveAttempt) => void
  readonly record: (live: LiveAttempt, end: End) => void
  readonly giveBack: (live: LiveAttempt) => void
  /** Asks to be pumped soon. */
  readonly schedule: () => void
  /** Asks to be pumped at a time of `now`. */
  readonly wakeAt: (due: number) => void
  /** Tells the store what runs alone; null: nothing. */
  readonly tell: (membership: Membership, job: Claimed | null, then: (isTold: boolean) => void) => void
}

export class Isolation {
  private readonly host: Host
  private readonly quarantine = new Quarantine()

  constructor(host: Host) {
    this.host = host
  }

  /** Whether the job may only run alone. */
  static concerns(job: Claimed): boolean {
    return Quarantine.concerns(job)
  }

  /** A job is to run alone, so nothing else may be begun or claimed. */
  get isTaken(): boolean {
    return this.quarantine.isTaken
  }

  /** Some wait for their turn. */
  get isWaiting(): boolean {
    return this.quarantine.isWaiting
  }

  /** When it is to be pumped at the latest; -1: it need not be. */
  get due(): number {
    return this.quarantine.due
  }

  /** Puts a job into the line. What was not begun makes room. */
  enter(live: LiveAttempt): void {
    const { host, quarantine } = this
    for (const lane of host.lanes.values()) {
      for (const other of lane.unbegun(({ job }) => !Quarantine.concerns(job))) host.giveBack(other)
    }
    quarantine.enter(live, host.now())
    host.wakeAt(quarantine.due)
  }

  /** Begins the next in line, when nothing else is in hand; of what runs already it waits not for ever. */
  pump(): void {
    const { host, quarantine } = this
    const now = host.now()
    const proven = quarantine.proven(now)
    if (proven !== undefined) return this.join(proven)
    const live = quarantine.next
    const lane = host.lanes.get(live?.job.queue ?? "")
    if (live === undefined || lane === undefined || !host.isRecorded()) return
    for (const lane of host.lanes.values()) if (lane.isClaiming) return
    const running = host.running()
    if (running > 0 && now < quarantine.due) return
    // what runs for long does not keep its worker from everything else
    if (lane.running.size >= lane.capacity) return this.putOff(lane, live, slotAgain)
    const isAlone = running + host.stuck() === 0
    if (isAlone && !quarantine.isNoted(live)) return this.note(lane, live)
    lane.unbegun((one) => one === live)
    host.begin(lane, live)
    if (live.place === "running") {
      quarantine.begins(live, now)
      host.wakeAt(quarantine.due)
    }
    lane.noteRoom()
    host.schedule()
  }

  /** Tells the store that a job runs alone from now on. */
  private note(lane: Lane, live: LiveAttempt): void {
    this.tell(live.membership, live.job, (isTold) => {
      this.quarantine.answered(isTold ? live : undefined)
      if (!isTold && live.place === "held") this.putOff(lane, live, storeAgain)
    })
  }

  /** Lets others begin beside a job, when the store knows that it is not alone any more. */
  private join(live: LiveAttempt): void {
    const { host, quarantine } = this
    const joins = () => {
      quarantine.joins()
      this.noteRoom()
    }
    if (!quarantine.isNoted(live)) {
      joins()
      return host.schedule()
    }
    this.tell(live.membership, null, (isTold) => {
      quarantine.answered(isTold ? undefined : live)
      if (isTold) return joins()
      quarantine.waits(host.now(), storeAgain)
      host.wakeAt(quarantine.due)
    })
  }

  private tell(membership: Membership, job: Claimed | null, then: (isTold: boolean) => void): void {
    if (!this.quarantine.asks()) return
    this.host.tell(membership, job, (isTold) => {
      then(isTold)
      this.host.schedule()
    })
  }

  private putOff(lane: Lane, live: LiveAttempt, delayMs: number): void {
    lane.unbegun((one) => one === live)
    this.host.record(live, outcome.inTurn(live, delayMs))
    this.host.schedule()
    this.noteRoom()
  }

  private noteRoom(): void {
    for (const lane of this.host.lanes.values()) lane.noteRoom()
  }
}
