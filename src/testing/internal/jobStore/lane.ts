/** What the facts about job stores share: a queue of their own with a worker, and what is done and seen there. */
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { NextRunId } from "../../../core/TaskRun.ts"
import type { JobId } from "../../../jobs/Job.ts"
import { type Claimed, type End, JobStore, type Member, type NewJob } from "../../../jobs/JobStore.ts"
import { newJob } from "./newJob.ts"

/** Adds one fact. */
export type Fact<R = never> = <E>(name: string, test: Effect.Effect<void, E, JobStore | Scope.Scope | R>) => void

/** Makes the lease of a member run out at once. */
export type Expire<R> = (member: Member) => Effect.Effect<void, unknown, JobStore | R>

export const nobody = { actor: null, reason: null }

export const fresh = (what: string) => Effect.map(Effect.flatten(NextRunId), (id) => `suite.${what}.${id}`)

/** 32 bytes in hex. */
export const freshKey = Effect.map(Effect.flatten(NextRunId), (id) => id.replaceAll("-", "").repeat(2))

export const join = Effect.gen(function*() {
  const store = yield* JobStore
  return yield* store.join({ node: yield* fresh("node"), info: {}, serves: {} })
})

export const ending = (job: Claimed, outcome: End["outcome"], more: Partial<End> = {}): End => ({
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

export const failure = (tag: string) => ({ kind: "failure", tag, message: `it was ${tag}`, cause: tag }) as const

/** Far enough not to come while the facts are tested. */
export const later = 86_400_000

interface Few {
  readonly 1: readonly [Claimed]
  readonly 2: readonly [Claimed, Claimed]
  readonly 3: readonly [Claimed, Claimed, Claimed]
}

/** A queue that nobody else uses, with one worker. */
export const lane = Effect.gen(function*() {
  const store = yield* JobStore
  const queue = yield* fresh("queue")
  const member = yield* join
  const enqueue = <const Jobs extends ReadonlyArray<Partial<NewJob>>>(...jobs: Jobs) =>
    Effect.map(store.enqueue(jobs.map((job) => newJob(queue, job))), (made) => {
      assert.strictEqual(made.length, jobs.length)
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- as many as there are jobs, as was just seen
      return made.map(({ id }) => id) as { readonly [Place in keyof Jobs]: JobId }
    })
  /** One, and what is answered. */
  const put = (job: Partial<NewJob>) =>
    Effect.flatMap(
      store.enqueue([newJob(queue, job)]),
      ([made]) => made === undefined ? Effect.die("no answer") : Effect.succeed(made)
    )
  const claimBy = Effect.fnUntraced(function*(by: Member, limit = 100) {
    yield* promoteAll
    return yield* store.claim(by, queue, limit)
  })
  const claim = (limit = 100) => claimBy(member, limit)
  /** Everything that may run, by name of its payload. */
  const claimNames = (limit = 100) => Effect.map(claim(limit), (jobs) => jobs.map(nameOf))
  /** As many as there are. */
  const claimed = <const Count extends keyof Few>(count: Count, by: Member = member) =>
    Effect.map(claimBy(by, count), (jobs) => {
      assert.strictEqual(jobs.length, count)
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- as many, as was just seen
      return jobs as unknown as Few[Count]
    })
  /** The one that is there. */
  const only = Effect.flatMap(claim(), (jobs) => {
    assert.strictEqual(jobs.length, 1)
    const [job] = jobs
    return job === undefined ? Effect.die("no job") : Effect.succeed(job)
  })
  const end = (job: Claimed, outcome: End["outcome"], more?: Partial<End>) =>
    Effect.map(
      store.finish(member, [ending(job, outcome, more)]),
      (fenced) => fenced.has(job.id) ? "fenced" : "written"
    )
  return { store, queue, member, enqueue, put, claim, claimBy, claimed, claimNames, only, end }
})

export const named = (name: string, more: Partial<NewJob> = {}): Partial<NewJob> => ({ ...more, payload: { name } })

export const nameOf = ({ payload }: { readonly payload: Claimed["payload"] }) =>
  typeof payload === "object" && payload !== null && "name" in payload && typeof payload["name"] === "string"
    ? payload["name"]
    : ""

/** Everything that is due is available. */
const promoteAll = Effect.gen(function*() {
  const store = yield* JobStore
  while ((yield* store.promote(1000)) === 1000);
})

export const jobOf = Effect.fnUntraced(function*(id: JobId) {
  const store = yield* JobStore
  const job = yield* store.get(id)
  return job ?? (yield* Effect.die(`there is no job ${id}`))
})

export const stateOf = (id: JobId) => Effect.map(jobOf(id), ({ state }) => state)

export const statesOf = (...ids: ReadonlyArray<JobId>) => Effect.forEach(ids, stateOf)
