/** What operators can do with jobs. */
import { assert } from "@effect/vitest"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Formatter from "effect/Formatter"
import { JobId } from "../../../jobs/Job.ts"
import {
  type Fact,
  failure,
  fresh,
  jobOf,
  join,
  lane,
  later,
  named,
  nameOf,
  nobody,
  stateOf,
  statesOf
} from "./lane.ts"

const ada = { actor: "ada", reason: "wrong month" }

export const controlFacts = (fact: Fact) => {
  fact(
    "D.9 cancels at once what does not run, and says what stood there",
    Effect.gen(function*() {
      const { claim, end, enqueue, store } = yield* lane
      const [ended] = yield* enqueue({})
      yield* Effect.forEach(yield* claim(), (job) => end(job, "completed"))
      const [due, delayed] = yield* enqueue({}, { delayMs: later })
      const unknown = JobId.make("7")
      const answer = yield* store.cancel([due, delayed, ended, unknown], ada)
      assert.deepStrictEqual(Object.fromEntries(answer), {
        [due]: "cancelled",
        [delayed]: "cancelled",
        [ended]: "ended",
        [unknown]: "unknown"
      })
      const job = yield* jobOf(due)
      assert.deepInclude(job, { state: "cancelled", attempt: 0, startedAt: null, reason: null })
      assert.deepStrictEqual([job.failure?.tag, job.failure?.cancellation], ["Cancelled", ada])
      assert.deepStrictEqual(yield* claim(), [])
    })
  )

  fact(
    "D.9 the member that runs a job is told until it says that it knows, and a second cancel says so",
    Effect.gen(function*() {
      const { end, enqueue, member, only, store } = yield* lane
      const [id] = yield* enqueue({})
      const job = yield* only
      assert.deepStrictEqual(Array.from((yield* store.cancel([job.id], ada)).values()), ["requested"])
      assert.deepStrictEqual(Array.from((yield* store.cancel([job.id], nobody)).values()), ["already"])
      assert.deepStrictEqual(yield* member.mail, [{ id: job.id, by: ada }])
      assert.include((yield* jobOf(id)).reason ?? "", "cancel")
      yield* member.acknowledge([job.id])
      yield* end(job, "cancelled", { failure: { ...failure("Cancelled"), cancellation: ada } })
      assert.deepStrictEqual((yield* jobOf(id)).failure?.cancellation, ada)
      assert.deepStrictEqual(Array.from((yield* store.cancel([job.id], ada)).values()), ["ended"])
    })
  )

  fact(
    "D.9 a job that is to end is not run again, whatever its attempt said: retry, snooze, hold, hand-back",
    Effect.gen(function*() {
      const { end, enqueue, member, only, store } = yield* lane
      for (const way of ["retry", "snooze", "hold", "hand back"] as const) {
        const [id] = yield* enqueue({})
        const job = yield* only
        yield* store.cancel([job.id], ada)
        if (way === "hand back") yield* store.handBack(member, [job])
        else yield* end(job, way, { note: "task:suite" })
        const cancelled = yield* jobOf(id)
        assert.deepStrictEqual([way, cancelled.state, cancelled.failure?.cancellation], [way, "cancelled", ada])
        yield* member.acknowledge([job.id])
      }
    })
  )

  fact(
    "S2.92 reschedules what does not run, to a delay or an instant, and answers those that took it",
    Effect.gen(function*() {
      const { claim, enqueue, store } = yield* lane
      const [due, delayed] = yield* enqueue(named("due"), named("delayed", { delayMs: later }))
      const at = DateTime.addDuration(yield* DateTime.now, "5 days")
      assert.deepStrictEqual(Array.from(yield* store.reschedule([due, JobId.make("7")], { runAt: at })), [due])
      assert.deepStrictEqual((yield* jobOf(due)).runAt, at)
      yield* store.reschedule([delayed], { delayMs: 0 })
      const jobs = yield* claim()
      assert.deepStrictEqual(jobs.map(nameOf), ["delayed"])
      assert.deepStrictEqual(Array.from(yield* store.reschedule([delayed], { delayMs: 0 })), [])
      assert.strictEqual(yield* stateOf(due), "scheduled")
    })
  )

  fact(
    "S3.28 retry makes scheduled, retryable and ended jobs due now, the ended ones with their attempts counted anew",
    Effect.gen(function*() {
      const { claim, claimed, end, enqueue, store } = yield* lane
      const ids = yield* enqueue(named("done"), named("again"), named("out"))
      const [done, again, out] = yield* claimed(3)
      yield* end(done, "completed")
      yield* end(again, "retry", { delayMs: later, failure: failure("Broken") })
      yield* end(out, "discarded", { failure: failure("Broken") })
      const more = yield* enqueue(named("later", { delayMs: later }), named("gone", { delayMs: later }))
      yield* store.cancel(more.slice(1), nobody)
      const took = yield* store.retry([...ids, ...more, JobId.make("7")])
      assert.sameMembers(Array.from(took), [ids[1], ids[2], ...more])
      const jobs = yield* claim()
      assert.deepStrictEqual(jobs.map((job) => [nameOf(job), job.attempt]), [
        ["again", 2],
        ["out", 1],
        ["later", 1],
        ["gone", 1]
      ])
      assert.isAbove(jobs[1]?.epoch ?? 0, out.epoch)
      // what the attempt before the redrive says comes too late
      assert.strictEqual(yield* end(out, "completed"), "fenced")
      assert.strictEqual(yield* stateOf(ids[0]), "completed")
      assert.isNull((yield* jobOf(ids[2])).finishedAt)
    })
  )

  fact(
    "D.15 erases payload, output, failure and logs of ended jobs for good, and their history stays",
    Effect.gen(function*() {
      const { claimed, end, enqueue, store } = yield* lane
      const [ended, waits] = yield* enqueue({ payload: { secret: 1 } }, { payload: { secret: 2 } })
      const [job] = yield* claimed(1)
      const logs = [{ at: DateTime.makeUnsafe(5), level: "INFO", message: "secret" }]
      yield* end(job, "discarded", { failure: failure("secret"), logs })
      assert.deepStrictEqual(Array.from(yield* store.erase([ended, waits], ada)), [ended])
      const erased = yield* jobOf(ended)
      const left = Formatter.formatJson([erased, yield* store.attempts(ended)])
      assert.notInclude(left, "secret")
      assert.deepInclude(erased, { state: "discarded", attempt: 1, task: "suite.task", output: null })
      assert.deepStrictEqual((yield* jobOf(waits)).payload, { secret: 2 })
    })
  )

  fact(
    "D.8 prunes what retention no longer keeps, and never a job that has not ended",
    Effect.gen(function*() {
      const { claimed, end, enqueue, store } = yield* lane
      const ids = yield* enqueue({}, {}, { delayMs: later }, { after: [{ parent: 2, on: "any" }] })
      const [one, two] = yield* claimed(2)
      yield* end(one, "completed")
      yield* end(two, "retry", { delayMs: later })
      yield* store.prune({})
      assert.strictEqual(yield* stateOf(ids[0]), "completed")
      yield* store.prune({ completed: 0, cancelled: 0, discarded: 0, jobs: 0 })
      assert.deepStrictEqual(yield* statesOf(...ids.slice(1)), ["retryable", "scheduled", "pending"])
    })
  )

  fact(
    "knows its queues with their jobs by state, and their tasks",
    Effect.gen(function*() {
      const { claimed, end, enqueue, queue, store } = yield* lane
      yield* enqueue({ task: "suite.one" }, { task: "suite.one" })
      const [one] = yield* claimed(2)
      yield* enqueue({ task: "suite.two" }, { delayMs: later }, { after: [{ parent: 0, on: "any" }] })
      yield* end(one, "retry", { delayMs: later })
      const state = (yield* store.queues).find(({ name }) => name === queue)
      assert.deepStrictEqual(state?.counts, { available: 1, running: 1, retryable: 1, scheduled: 1, pending: 1 })
      assert.isAtLeast(state?.oldestMs ?? -1, 0)
      assert.deepInclude(state ?? {}, { limit: null, fair: false, ageingMs: null, pausedAt: null, parked: 0 })
      assert.sameMembers(Array.from(yield* store.tasksOf(queue)), ["suite.one", "suite.two", "suite.task"])
      assert.deepStrictEqual(yield* store.tasksOf(yield* fresh("unknown")), [])
      assert.deepStrictEqual(yield* store.tasksOf("no\u0000name"), [])
    })
  )

  fact(
    "S3.29 counts for an autoscaler what one more worker could run: nothing that is paused, held, limited or not due",
    Effect.gen(function*() {
      const { claim, enqueue, queue, store } = yield* lane
      const [task, tenant, limit] = [yield* fresh("task"), yield* fresh("tenant"), yield* fresh("limit")]
      const jobs = Effect.map(store.runnable(queue), ({ jobs }) => jobs)
      yield* store.limits.set({ name: limit, permits: 1, rate: null })
      const limited = { limit: { name: limit, key: "k", strict: false } }
      yield* enqueue({}, {}, { delayMs: later }, { after: [{ parent: 0, on: "any" }] })
      yield* enqueue(limited, limited, limited)
      yield* enqueue({ task }, { tenant, meta: { origin: { tenant, actor: null } } })
      assert.strictEqual(yield* jobs, 5)
      assert.isAtLeast((yield* store.runnable(queue)).oldestMs, 0)
      yield* store.holds.put(`task:${task}`)
      assert.strictEqual(yield* jobs, 4)
      yield* store.holds.put(`tenant:${tenant}`)
      assert.strictEqual(yield* jobs, 3)
      assert.strictEqual((yield* claim(2)).length, 2)
      assert.strictEqual(yield* jobs, 1)
      yield* store.pause(queue, true)
      assert.deepStrictEqual(yield* store.runnable(queue), { jobs: 0, oldestMs: 0 })
      yield* store.pause(queue, false)
      yield* store.holds.release(`task:${task}`)
      yield* store.holds.release(`tenant:${tenant}`)
      assert.strictEqual(yield* jobs, 3)
      assert.deepStrictEqual(yield* store.runnable(yield* fresh("unknown")), { jobs: 0, oldestMs: 0 })
    })
  )

  fact(
    "S3.29 counts what ended within a time by queue and end, with how long it ran",
    Effect.gen(function*() {
      const { claimed, end, enqueue, queue, store } = yield* lane
      const other = yield* lane
      const [waits] = yield* enqueue({ delayMs: later }, {}, {}, {}, {})
      const [one, two, three] = yield* claimed(3)
      yield* other.enqueue({})
      yield* other.end(yield* other.only, "cancelled")
      yield* end(one, "completed")
      yield* end(two, "completed")
      yield* end(three, "discarded", { failure: failure("Late") })
      yield* store.cancel([waits], nobody)
      const ends = yield* store.ends(later)
      const found = ends.find((each) => each.queue === queue)
      assert.deepInclude(found ?? {}, { completed: 2, discarded: 1, cancelled: 1 })
      const runMs = (yield* store.getMany([one.id, two.id, three.id])).flatMap(({ finishedAt, startedAt }) =>
        finishedAt === null || startedAt === null
          ? []
          : [DateTime.toEpochMillis(finishedAt) - DateTime.toEpochMillis(startedAt)]
      )
      assert.closeTo(found?.runMs ?? -1, runMs.reduce((sum, ms) => sum + ms, 0) / 3, 1)
      assert.isUndefined((yield* store.ends(0)).find((each) => each.queue === queue))
      assert.deepInclude(ends.find((each) => each.queue === other.queue) ?? {}, { completed: 0, cancelled: 1 })
    })
  )

  fact(
    "knows who is alive, with what they serve, and the queues that they serve",
    Effect.gen(function*() {
      const { store } = yield* lane
      const [queue, node] = [yield* fresh("queue"), yield* fresh("node")]
      const serves = { [queue]: ["suite.one", "suite.two"] }
      const member = yield* store.join({ node, info: { pid: 1 }, serves })
      assert.deepInclude(yield* store.members, { id: member.id, node, serves })
      assert.include((yield* store.queues).map(({ name }) => name), queue)
      assert.notStrictEqual((yield* join).id, member.id)
    })
  )
}
