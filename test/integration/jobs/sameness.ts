/**
 * Two stores side by side: the same commands, and what can be seen of each after every one of them. Sequences of commands go
 * in step, each in a queue of its own with workers of its own, so that one look shows what many of them did.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Random from "effect/Random"
import * as Scope from "effect/Scope"
import type { Job, JobId } from "ostinato/jobs/Job"
import type { Claimed, End, JobStore, Member, NewJob } from "ostinato/jobs/JobStore"

export interface Side {
  readonly store: JobStore["Service"]
  /** Runs with the clock of the store. */
  readonly within: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  /** The lease of one member is over, and its fibers are gone. */
  readonly die: (member: Member) => Effect.Effect<void, unknown>
}

interface Seat {
  readonly scope: Scope.Closeable
  readonly member: Member
}

/** One store in one sequence. Jobs and claims are known by their numbers, which are the same on both sides. */
export interface Run {
  readonly side: Side
  readonly seats: Array<Seat>
  readonly queue: string
  readonly ids: Array<JobId>
  readonly claims: Array<{ readonly seat: Seat; readonly job: Claimed }>
}

export interface Command {
  readonly name: string
  /** What it leaves to be done: due jobs, or besides those permits that were given back and children of what ended. */
  readonly upkeep: "none" | "due" | "all"
  /** Gives what its caller sees. */
  readonly run: (run: Run) => Effect.Effect<unknown, unknown>
}

const far = 86_400_000

export const join = (side: Side) =>
  side.within(Effect.gen(function*() {
    const scope = yield* Scope.make()
    const member = yield* Scope.provide(side.store.join({ node: "node", info: {}, serves: {} }), scope)
    return { scope, member }
  }))

export const leave = (side: Side, { scope }: Seat) => side.within(Scope.close(scope, Exit.void))

/** The number of a job; one that was never seen gets the next. */
const numberOf = ({ ids }: Run, id: JobId) => {
  const known = ids.indexOf(id)
  return known >= 0 ? known : ids.push(id) - 1
}

const seen = (run: Run, job: Job) => ({
  job: numberOf(run, job.id),
  state: job.state,
  priority: job.priority,
  attempt: job.attempt,
  maxAttempts: job.maxAttempts,
  lost: job.lost,
  payload: job.payload,
  failure: job.failure,
  progress: job.progress,
  output: job.output,
  waits: (job.state === "scheduled" || job.state === "retryable") && job.runAt !== null,
  hasRun: job.state === "running" && job.startedAt !== null && job.availableAt !== null,
  isOver: job.finishedAt !== null
})

/** Everything that can be seen of the jobs of each sequence, after what the loops of maintenance would have done. */
export const observe = (upkeep: Command["upkeep"]) => (runs: ReadonlyArray<Run>, { store, within }: Side) =>
  Effect.gen(function*() {
    if (upkeep === "all") yield* store.sweep
    if (upkeep !== "none") yield* store.promote(1000)
    const jobs = new Map((yield* store.getMany(runs.flatMap(({ ids }) => ids))).map((job) => [job.id, job]))
    return runs.map((run) =>
      run.ids.flatMap((id) => {
        const job = jobs.get(id)
        return job === undefined ? [] : [seen(run, job)]
      })
    )
  }).pipe(within)

/** What costs more to see, once at the end. */
export const observeAll = (runs: ReadonlyArray<Run>, { store, within }: Side) =>
  Effect.gen(function*() {
    const states = yield* store.queues
    return yield* Effect.forEach(runs, (run) =>
      Effect.gen(function*() {
        const claimed = Array.from(new Set(run.claims.map(({ job: { id } }) => id)))
        const attempts = yield* Effect.forEach(claimed, (id) =>
          Effect.map(
            store.attempts(id),
            (entries) => entries.map(({ attempt, epoch, failure }) => [attempt, epoch, failure])
          ))
        const last = run.ids.at(-1)
        const parents = last === undefined ? [] : yield* store.parents(last)
        const state = states.find(({ name }) => name === run.queue)
        return {
          attempts,
          parents: parents.map((job) => numberOf(run, job.id)),
          counts: state?.counts,
          parked: state?.parked,
          tasks: [...yield* store.tasksOf(run.queue)].sort()
        }
      }))
  }).pipe(within)

/** Nothing of the sequences goes on. */
export const close = (runs: ReadonlyArray<Run>, { store, within }: Side) =>
  Effect.gen(function*() {
    yield* store.cancel(runs.flatMap(({ ids }) => ids), { actor: null, reason: "over" })
    for (const { claims, seats } of runs) {
      for (const seat of seats) {
        const ends = claims.flatMap((claim) => claim.seat === seat ? [ending(claim.job, "cancelled")] : [])
        if (ends.length > 0) yield* store.finish(seat.member, ends)
      }
    }
  }).pipe(within)

const ending = (job: Claimed, outcome: End["outcome"], more: Partial<End> = {}): End => ({
  job,
  outcome,
  delayMs: 0,
  output: undefined,
  failure: null,
  note: null,
  report: null,
  logs: [],
  ...more
})

const oneOf = <const A>(first: A, ...others: ReadonlyArray<A>) =>
  Effect.map(Random.nextIntBetween(0, others.length), (at): A => {
    const other = others[at - 1]
    return at === 0 || other === undefined ? first : other
  })

const chance = (of: number) => Effect.map(Random.next, (drawn) => drawn < of)

type Draft = Omit<NewJob, "queue" | "after" | "payload"> & {
  readonly payload: { readonly number: number }
  readonly after: ReadonlyArray<
    { readonly job: number; readonly isInCall: boolean; readonly on: "completed" | "failed" | "any" }
  >
}

const draft = (sequence: string, number: number, jobs: number, inCall: number) =>
  Effect.gen(function*() {
    const key = yield* oneOf(null, null, null, 0, 1)
    const limit = yield* oneOf(null, null, null, "one", "two", "order")
    const asked = limit === null
      ? null
      : { name: limit, key: sequence, strict: limit === "order" || (yield* chance(0.3)) }
    const parents = jobs + inCall
    const parent = parents > 0 && (yield* chance(0.25)) ? yield* Random.nextIntBetween(0, parents - 1) : null
    return {
      id: null,
      task: yield* oneOf("sameness.a", "sameness.b"),
      payload: { number },
      meta: asked === null ? {} : { limit: asked },
      priority: yield* oneOf(-1, 0, 0, 1),
      maxAttempts: yield* oneOf(1, 2, 20),
      delayMs: yield* oneOf(0, 0, 0, far),
      runAt: null,
      deadlineMs: null,
      unique: key === null ? null : {
        key: `${sequence}${key}`.padEnd(64, "0"),
        withinMs: yield* oneOf(null, null, far),
        until: yield* oneOf("done", "done", "started", "forever"),
        onConflict: yield* oneOf("skip", "replace", "reschedule")
      },
      limit: asked,
      tenant: null,
      cost: 1,
      after: parent === null ? [] : [{
        job: parent < jobs ? parent : parent - jobs,
        isInCall: parent >= jobs,
        on: yield* oneOf("completed", "completed", "failed", "any")
      }]
    } satisfies Draft
  })

/** The next command of a sequence, by what both sides have so far. */
export const next = (sequence: string, { claims, ids }: Run): Effect.Effect<Command> =>
  Effect.gen(function*() {
    const kind = yield* oneOf(
      "enqueue",
      ...["enqueue", "enqueue", "claim", "claim", "claim", "claim"] as const,
      ...["finish", "finish", "finish", "finish", "hand back", "progress", "cancel", "reschedule", "retry"] as const,
      ...["erase", "pause", "hold", "release", "supersede", "die", "sweep", "prune"] as const
    )
    if (ids.length === 0 || kind === "enqueue") return yield* enqueue(sequence, ids.length)
    const job = yield* Random.nextIntBetween(0, ids.length - 1)
    if (kind === "claim") return claim(yield* oneOf(0, 1), yield* oneOf(1, 2, 5))
    if (kind === "finish" || kind === "hand back" || kind === "progress") {
      if (claims.length === 0) return claim(0, 2)
      const at = yield* Random.nextIntBetween(Math.max(0, claims.length - 4), claims.length - 1)
      if (kind === "finish") {
        const outcome = yield* oneOf(
          "completed",
          "completed",
          "discarded",
          "cancelled",
          "retry",
          "retry",
          "snooze",
          "hold"
        )
        return leaving(finish(at, outcome, outcome === "hold" ? 0 : yield* oneOf(0, far)), "due")
      }
      return kind === "hand back" ? handBack(at) : progress(at)
    }
    if (kind === "reschedule") return leaving(onJob(kind, job, reschedule(yield* oneOf(0, far))), "due")
    if (kind === "cancel") return leaving(cancel([job, yield* Random.nextIntBetween(0, ids.length - 1)]), "all")
    if (kind === "retry") return leaving(onJob(kind, job, retry), "due")
    if (kind === "erase") return onJob(kind, job, erase)
    if (kind === "pause") return pause(yield* chance(0.4))
    if (kind === "hold") return simple(kind, ({ side: { store } }) => store.holds.put(holdOf(sequence)))
    if (kind === "release") {
      return leaving(simple(kind, ({ side: { store } }) => store.holds.release(holdOf(sequence))), "due")
    }
    if (kind === "supersede") return leaving(supersede(sequence), "all")
    if (kind === "die") return die(yield* oneOf(0, 1))
    return kind === "sweep"
      ? leaving(simple(kind, () => Effect.void), "all")
      : simple(kind, ({ side: { store } }) => Effect.asVoid(store.prune({})))
  })

const holdOf = (sequence: string) => `task:${sequence}`

const simple = (name: string, run: Command["run"]): Command => ({
  name,
  upkeep: "none",
  run: (on) => on.side.within(run(on))
})

const leaving = (command: Command, upkeep: Command["upkeep"]): Command => ({ ...command, upkeep })

const enqueue = Effect.fnUntraced(function*(sequence: string, jobs: number) {
  const count = yield* oneOf(1, 1, 2, 3)
  const drafts: Array<Draft> = []
  for (let at = 0; at < count; at += 1) drafts.push(yield* draft(sequence, jobs + at, jobs, at))
  const enqueued = simple(`enqueue ${drafts.map(told).join(" | ")}`, (run) =>
    Effect.map(
      run.side.store.enqueue(drafts.map((job): NewJob => ({
        ...job,
        queue: run.queue,
        after: job.after.map(({ isInCall, job, on }) => ({ parent: isInCall ? job : run.ids[job] ?? 0, on }))
      }))),
      (answers) => answers.map(({ duplicate, id }) => [numberOf(run, id), duplicate])
    ))
  return drafts.some(({ after, unique }) => unique !== null || after.length > 0) ? leaving(enqueued, "all") : enqueued
})

const told = ({ after, delayMs, limit, maxAttempts, payload, priority, unique }: Draft) =>
  [
    `#${payload.number}`,
    priority === 0 ? "" : `priority ${priority}`,
    maxAttempts === 20 ? "" : `${maxAttempts} attempts`,
    delayMs === 0 ? "" : "later",
    unique === null ? "" : `key ${unique.key} ${unique.until} ${unique.onConflict} ${unique.withinMs ?? ""}`,
    limit === null ? "" : `limit ${limit.name} ${limit.strict ? "strict" : ""}`,
    ...after.map(({ isInCall, job, on }) => `after ${on} ${isInCall ? "place" : "job"} ${job}`)
  ].filter((part) => part !== "").join(", ")

const claim = (at: number, limit: number) =>
  simple(`claim by ${at}, at most ${limit}`, (run) =>
    Effect.gen(function*() {
      const seat = run.seats[at]
      if (seat === undefined) return yield* Effect.die("no seat")
      const jobs = yield* run.side.store.claim(seat.member, run.queue, limit)
      for (const job of jobs) run.claims.push({ seat, job })
      return jobs.map((job) => ({
        job: numberOf(run, job.id),
        attempt: job.attempt,
        lost: job.lost,
        epoch: job.epoch,
        payload: job.payload,
        awaited: job.awaited
      }))
    }))

const held = ({ claims }: Run, at: number) => {
  const one = claims[at]
  return one === undefined ? Effect.die(`there is no claim ${at}`) : Effect.succeed(one)
}

const finish = (at: number, outcome: End["outcome"], delayMs: number) =>
  simple(`finish claim ${at}: ${outcome}, ${delayMs}`, (run) =>
    Effect.gen(function*() {
      const { job, seat: { member } } = yield* held(run, at)
      const isFailure = outcome === "retry" || outcome === "discarded"
      const end = ending(job, outcome, {
        delayMs,
        output: outcome === "completed" ? { claim: at } : undefined,
        failure: isFailure ? { kind: "failure", tag: `Broken${at}`, message: "it broke", cause: "" } : null,
        note: outcome === "snooze" ? "later" : outcome === "hold" ? holdOf(run.queue) : null
      })
      return (yield* run.side.store.finish(member, [end])).size
    }))

const handBack = (at: number) =>
  simple(
    `hand back claim ${at}`,
    (run) => Effect.flatMap(held(run, at), ({ job, seat }) => run.side.store.handBack(seat.member, [job]))
  )

const progress = (at: number) =>
  simple(
    `progress of claim ${at}`,
    (run) =>
      Effect.flatMap(held(run, at), ({ job, seat }) => run.side.store.progress(seat.member, [{ job, value: at }]))
  )

const onJob = (
  name: string,
  job: number,
  act: (store: JobStore["Service"], id: JobId) => Effect.Effect<unknown, unknown>
) =>
  simple(`${name} job ${job}`, (run) => {
    const id = run.ids[job]
    return id === undefined ? Effect.die(`there is no job ${job}`) : act(run.side.store, id)
  })

const cancel = (jobs: ReadonlyArray<number>) =>
  simple(`cancel jobs ${jobs.join(" and ")}`, (run) => {
    const ids = jobs.flatMap((job) => run.ids[job] ?? [])
    return Effect.map(
      run.side.store.cancel(ids, { actor: "ada", reason: null }),
      (answers) => ids.map((id) => answers.get(id))
    )
  })

const reschedule = (delayMs: number) => (store: JobStore["Service"], id: JobId) =>
  Effect.map(store.reschedule([id], { delayMs }), ({ size }) => size)

const retry = (store: JobStore["Service"], id: JobId) => Effect.map(store.retry([id]), ({ size }) => size)

const erase = (store: JobStore["Service"], id: JobId) =>
  Effect.map(store.erase([id], { actor: null, reason: null }), ({ size }) => size)

const pause = (paused: boolean) =>
  simple(paused ? "pause" : "go on", ({ queue, side: { store } }) => store.pause(queue, paused))

const supersede = (sequence: string) =>
  simple("supersede", (run) =>
    Effect.map(
      run.side.store.supersede([0, 1].map((key) => `${sequence}${key}`.padEnd(64, "0"))),
      (taken) => taken.map(({ job }) => numberOf(run, job.id)).sort((a, b) => a - b)
    ))

const die = (at: number): Command => ({
  name: `worker ${at} dies, and is rescued`,
  upkeep: "all",
  run: (run) =>
    Effect.gen(function*() {
      const { side } = run
      const seat = run.seats[at]
      if (seat === undefined) return yield* Effect.die("no seat")
      yield* leave(side, seat)
      yield* side.die(seat.member)
      const rescued = yield* side.within(side.store.rescue)
      run.seats[at] = yield* join(side)
      return rescued.map(({ fate, id }) => [numberOf(run, id), fate] as const).sort(([a], [b]) => a - b)
    })
})
