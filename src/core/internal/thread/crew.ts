/**
 * The threads of a pool: who runs what, who waits, who is stopped, killed, replaced or sent home.
 *
 * A call goes to a seat that is idle, then to a new one, and when all are at work, ahead of time to one whose calls are
 * so short that it hardly waits there. Nothing that was sent ahead stays behind a long call while another seat is idle.
 * Plain callbacks, no fibers: at some hundred thousand calls a second there is no time for one each.
 */
import type { End, Host } from "./host.ts"
import * as Line from "./line.ts"
import { type Order, type Reply, stuckIn } from "./protocol.ts"
import * as Seat from "./seat.ts"

export interface Crew {
  readonly submit: (job: Seat.Job, priority: number) => void
  /** Calls back when the job has stopped, or never began. */
  readonly cancel: (job: Seat.Job, stopped: () => void) => void
  /** Starts all threads, and calls back when they are ready. */
  readonly prewarm: (ready: () => void) => void
  /** Does what is due, and says when the next thing is: milliseconds of `now`. */
  readonly tick: () => number
  readonly status: () => Status
  /** Ends all threads, and calls back when they have ended. */
  readonly close: (closed: () => void) => void
  /** Tells whoever still waits for a thread that does not end. */
  readonly leave: () => void
}

export interface Status {
  /** Threads that have been started, and those of them that have come up. */
  readonly threads: number
  readonly ready: number
  readonly running: number
  readonly waiting: number
}

export interface Rules {
  readonly capacity: number
  readonly idleMs: number
  readonly graceMs: number
  readonly now: () => number
  readonly start: (
    listener: { readonly onReplies: (replies: ReadonlyArray<Reply>) => void; readonly onEnd: (end: End) => void }
  ) => Host
  /** Something is due at this time. */
  readonly due: (at: number) => void
  /** A thread ended that nobody had asked to. */
  readonly crashed: (end: End) => void
}

/** How long a thread may take to show that its event loop turns, before it is killed. */
const deafMs = 100
/** How long a thread may take to begin a call that has a limit. */
const stallMs = 1000
/** How long a call may run before those sent behind it move to an idle seat. */
const longMs = 10

const lastId = 0x7fff_ffff

export const make = (rules: Rules): Crew => {
  const { now } = rules
  const line = Line.make<Seat.Job>()
  const seats = new Set<Seat.Seat>()
  /** Killed, and not yet ended. */
  const ending = new Set<Seat.Seat>()
  const seatOf = new Map<Seat.Job, Seat.Seat>()
  let isPlanned = false
  let isPlannedLater = false
  let isClosed = false
  let nextId = 1
  let ready: (() => void) | undefined
  let closed: (() => void) | undefined

  const settle = (job: Seat.Job, outcome: Seat.Outcome) => {
    const { settle } = job
    job.settle = undefined
    settle?.(outcome)
  }

  /**
   * At once where a thread has nothing to do; else after this turn of the event loop, so that what the turn brings goes
   * out in one message: sending each task by itself cost a third of the time of the main thread.
   */
  const plan = () => {
    if (isPlanned) return
    if (isStarving()) {
      isPlanned = true
      queueMicrotask(pump)
    } else if (!isPlannedLater) {
      isPlannedLater = true
      setImmediate(() => {
        isPlannedLater = false
        pump()
      })
    }
  }

  const isStarving = () => {
    if (seats.size < rules.capacity) return true
    for (const { jobs, outbox } of seats) if (jobs.size === outbox.length) return true
    return false
  }

  const open = (): Seat.Seat | undefined => {
    try {
      const seat: Seat.Seat = Seat.make(
        rules.start({ onReplies: (replies) => onReplies(seat, replies), onEnd: (end) => onEnd(seat, end) }),
        now()
      )
      seats.add(seat)
      return seat
    } catch (error) {
      rules.crashed({ isOutOfMemory: false, detail: `it could not be started: ${String(error)}` })
      return undefined
    }
  }

  /** Undefined while all are at work, `none` where the machine has no more threads to give. */
  const seatFor = (job: Seat.Job): Seat.Seat | "none" | undefined => {
    let best: Seat.Seat | undefined
    for (const seat of seats) {
      if (!Seat.hasRoom(seat, job.kind)) continue
      if (seat.jobs.size === 0 && seat.isReady) return seat
      if (best === undefined || seat.jobs.size < best.jobs.size) best = seat
    }
    if (best?.jobs.size === 0) return best
    return seats.size < rules.capacity ? open() ?? best ?? "none" : best
  }

  const pump = () => {
    isPlanned = false
    if (isClosed) return
    for (let job = line.peek(); job !== undefined; job = line.peek()) {
      const seat = seatFor(job)
      if (seat === undefined) break
      line.take()
      if (seat === "none") {
        settle(job, { kind: "lost", isOutOfMemory: false, detail: "no thread could be started" })
        continue
      }
      Seat.hold(seat, job, nextId, now())
      nextId = nextId === lastId ? 1 : nextId + 1
      seatOf.set(job, seat)
      watch(seat)
    }
    for (const seat of seats) send(seat)
  }

  const send = (seat: Seat.Seat) => {
    try {
      Seat.send(seat)
    } catch (error) {
      for (const job of culprits(seat.outbox)) {
        drop(seat, job)
        settle(job, { kind: "stuck", error })
      }
      plan()
      send(seat)
    }
  }

  /** Those that held up the others: what they say cannot travel, or what they move is not there any more. */
  const culprits = (jobs: ReadonlyArray<Seat.Job>): ReadonlyArray<Seat.Job> => {
    const stuck = jobs.filter(({ payload }) => stuckIn(payload, "payload") !== undefined)
    const moving = stuck.length > 0 ? stuck : jobs.filter(({ transfer }) => transfer.length > 0)
    return moving.length > 0 ? moving : jobs
  }

  const drop = (seat: Seat.Seat, job: Seat.Job) => {
    seat.outbox = seat.outbox.filter((other) => other !== job)
    forget(seat, job)
  }

  const forget = (seat: Seat.Seat, job: Seat.Job) => {
    Seat.release(seat, job)
    seatOf.delete(job)
    if (seat.jobs.size === 0) seat.killAt = Number.POSITIVE_INFINITY
  }

  const watch = (seat: Seat.Seat) => {
    const first = Seat.head(seat)
    if (first === undefined) rules.due(seat.since + rules.idleMs)
    else if (seat.isReady) rules.due(seat.since + first.limitMs)
  }

  const onReplies = (seat: Seat.Seat, replies: ReadonlyArray<Reply>) => {
    const at = now()
    for (const reply of replies) onReply(seat, reply, at)
    watch(seat)
    if (line.size() > 0 || seat.outbox.length > 0) plan()
    else if (seat.jobs.size === 0) {
      if (seatOf.size > 1) rules.due(at + longMs)
      plan()
    }
  }

  const onReply = (seat: Seat.Seat, reply: Reply, at: number) => {
    const [id, answer, , runMs] = reply
    if (answer === "ready") {
      seat.isReady = true
      Seat.startAt(seat, at)
      noteReady()
      return
    }
    const job = seat.jobs.get(id)
    if (job === undefined) return
    if (answer === "heard") {
      seat.killAt = Math.max(seat.killAt, at + rules.graceMs)
      rules.due(seat.killAt)
      return
    }
    const { kind } = job
    kind.meanMs = Number.isFinite(kind.meanMs) ? kind.meanMs * 0.8 + runMs * 0.2 : runMs
    seat.killAt = Number.POSITIVE_INFINITY
    Seat.startAt(seat, at)
    forget(seat, job)
    settle(job, job.stopping === "timeout" ? { kind: "timeout" } : { kind: "reply", reply, host: seat.host.id })
  }

  const noteReady = () => {
    if (ready !== undefined && Array.from(seats).every(({ isReady }) => isReady)) ready()
  }

  /** What had not begun there runs elsewhere. What had begun is lost; where nobody had, the first pays for it. */
  const onEnd = (seat: Seat.Seat, end: End) => {
    const wasAsked = ending.delete(seat)
    seats.delete(seat)
    seat.isEnding = true
    const jobs = Array.from(seat.jobs.values())
    for (const job of jobs) {
      if (!Seat.hadBegun(seat, job) && !(job === jobs[0] && !seat.isReady)) recall(seat, job)
      else {
        drop(seat, job)
        settle(
          job,
          job.stopping === "timeout"
            ? { kind: "timeout" }
            : isClosed
            ? { kind: "left" }
            : Seat.hadEnded(seat, job)
            ? { kind: "lost", isOutOfMemory: false, detail: "its result was lost when the next task had to be killed" }
            : { kind: "lost", ...end }
        )
      }
    }
    if (!wasAsked) rules.crashed(end)
    if (isClosed && seats.size === 0 && ending.size === 0) closed?.()
    noteReady()
    plan()
  }

  const recall = (seat: Seat.Seat, job: Seat.Job) => {
    drop(seat, job)
    if (isClosed) settle(job, { kind: "left" })
    else line.putBack(job)
  }

  const kill = (seat: Seat.Seat) => {
    seats.delete(seat)
    ending.add(seat)
    seat.isEnding = true
    for (const job of Array.from(seat.jobs.values())) if (Seat.revoke(seat, job)) recall(seat, job)
    seat.host.kill()
    plan()
  }

  const stop = (seat: Seat.Seat, job: Seat.Job, why: "cancel" | "timeout") => {
    job.stopping = why
    Seat.markStopped(seat, job)
    const order: Order = job.id
    if (seat.isReady) seat.host.post(order, [])
    seat.killAt = now() + deafMs
    rules.due(seat.killAt)
  }

  /** A limit counts from the begin. A thread that begins nothing is held by what an earlier task left behind. */
  const overdue = (seat: Seat.Seat, job: Seat.Job, at: number) => {
    if (Seat.hadBegun(seat, job)) stop(seat, job, "timeout")
    else if (at - seat.firstSince >= Math.max(job.limitMs, stallMs)) kill(seat)
    else seat.since = at
  }

  /** Calls behind a long one go to whoever is idle. */
  const rebalance = (at: number): boolean => {
    let isMoved = false
    const isIdle = Array.from(seats).some(({ jobs }) => jobs.size === 0) || seats.size < rules.capacity
    if (!isIdle) return false
    for (const seat of seats) {
      if (seat.jobs.size < 2 || at - seat.since < longMs) continue
      const [, ...behind] = seat.jobs.values()
      for (const job of behind) {
        if (!Seat.revoke(seat, job)) continue
        drop(seat, job)
        line.putBack(job)
        isMoved = true
      }
    }
    return isMoved
  }

  return {
    submit: (job, priority) => {
      if (isClosed) return settle(job, { kind: "left" })
      line.add(job, priority)
      plan()
    },
    cancel: (job, stopped) => {
      if (job.settle === undefined || line.remove(job)) return stopped()
      const seat = seatOf.get(job)
      if (seat === undefined) return stopped()
      if (Seat.revoke(seat, job)) {
        drop(seat, job)
        plan()
        return stopped()
      }
      // it has ended, and its reply is on the way
      if (Seat.head(seat) !== job) {
        job.settle = undefined
        return stopped()
      }
      job.settle = stopped
      if (job.stopping === undefined && !seat.isEnding) stop(seat, job, "cancel")
    },
    prewarm: (done) => {
      while (seats.size < rules.capacity && open() !== undefined);
      ready = done
      noteReady()
    },
    tick: () => {
      const at = now()
      let next = Number.POSITIVE_INFINITY
      for (const seat of Array.from(seats)) {
        const first = Seat.head(seat)
        if (seat.killAt <= at) kill(seat)
        else if (seat.killAt < Number.POSITIVE_INFINITY) next = Math.min(next, seat.killAt)
        else if (!seat.isReady) continue
        else if (first === undefined) {
          if (seat.since + rules.idleMs <= at) kill(seat)
          else next = Math.min(next, seat.since + rules.idleMs)
        } else {
          if (seat.since + first.limitMs <= at) overdue(seat, first, at)
          next = Math.min(next, seat.killAt, first.stopping === undefined ? seat.since + first.limitMs : next)
          if (seat.jobs.size > 1) next = Math.min(next, at + longMs)
        }
      }
      if (rebalance(at)) plan()
      return next
    },
    status: () => ({
      threads: seats.size,
      ready: Array.from(seats).filter(({ isReady }) => isReady).length,
      running: Array.from(seats).reduce((sum, { jobs }) => sum + (jobs.size === 0 ? 0 : 1), 0),
      waiting: line.size() + Array.from(seats).reduce((sum, { jobs }) => sum + Math.max(0, jobs.size - 1), 0)
    }),
    close: (done) => {
      isClosed = true
      for (let job = line.take(); job !== undefined; job = line.take()) settle(job, { kind: "left" })
      for (const seat of Array.from(seats)) kill(seat)
      if (ending.size === 0) done()
      else closed = done
    },
    leave: () => {
      for (const job of seatOf.keys()) settle(job, { kind: "left" })
    }
  }
}
