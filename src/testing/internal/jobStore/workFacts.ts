/** What claim, finish and hand-back promise. */
import { assert } from "@effect/vitest"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import { ending, type Fact, failure, fresh, jobOf, join, lane, later, named, nameOf, statesOf } from "./lane.ts"

const millis = (at: DateTime.Utc | null) => at === null ? null : DateTime.toEpochMillis(at)

export const workFacts = (fact: Fact) => {
  fact(
    "S2.91 hands out jobs by priority, then in the order in which they came",
    Effect.gen(function*() {
      const { claimNames, enqueue } = yield* lane
      yield* enqueue(named("low", { priority: 9 }), named("a"), named("b"), named("high", { priority: -3 }))
      yield* enqueue(named("c"), named("lowest", { priority: 32_767 }), named("highest", { priority: -32_768 }))
      assert.deepStrictEqual(yield* claimNames(3), ["highest", "high", "a"])
      assert.deepStrictEqual(yield* claimNames(), ["b", "c", "low", "lowest"])
      assert.deepStrictEqual(yield* claimNames(), [])
    })
  )

  fact(
    "two claims never get the same job",
    Effect.gen(function*() {
      const { claimBy, enqueue } = yield* lane
      const ids = yield* enqueue(...Array.from({ length: 40 }, () => ({})))
      const claims = yield* Effect.forEach(
        Array.from({ length: 10 }),
        () => Effect.flatMap(join, (member) => claimBy(member, 7)),
        { concurrency: 10 }
      )
      // a claim that meets another one may get less than there is; who comes again gets the rest
      const rest = yield* Effect.flatMap(join, (member) => claimBy(member))
      const got = [...claims.flat(), ...rest].map(({ id }) => id)
      assert.strictEqual(got.length, ids.length)
      assert.sameMembers(got, Array.from(ids))
    })
  )

  fact(
    "a claimed job has what the worker needs, its attempt counted",
    Effect.gen(function*() {
      const { enqueue, member, only, queue } = yield* lane
      const [id] = yield* enqueue({ payload: { n: 1 }, meta: { tags: ["t"] }, maxAttempts: 4 })
      const job = yield* only
      assert.deepInclude(job, { id, queue, task: "suite.task", payload: { n: 1 }, meta: { tags: ["t"] } })
      assert.deepInclude(job, { attempt: 1, maxAttempts: 4, lost: 0, epoch: 1, awaited: false })
      assert.isAtLeast(job.startedAt, job.availableAt)
      assert.isAtLeast(job.availableAt, job.createdAt)
      const seen = yield* jobOf(id)
      assert.deepInclude(seen, { state: "running", node: member.node, attempt: 1 })
      assert.strictEqual(DateTime.toEpochMillis(seen.startedAt ?? seen.createdAt), Math.floor(job.startedAt))
    })
  )

  fact(
    "keeps how a job ended: output, report, failure, logs, instants, the node",
    Effect.gen(function*() {
      const { end, enqueue, member, only, store } = yield* lane
      const [id] = yield* enqueue({})
      const report = { items: { succeeded: 3, failed: 1, summary: "3 of 4" } }
      const logs = [{ at: DateTime.makeUnsafe(5), level: "INFO", message: "hello" }]
      assert.strictEqual(yield* end(yield* only, "completed", { output: { n: 1 }, report, logs }), "written")
      const job = yield* jobOf(id)
      assert.deepInclude(job, {
        state: "completed",
        reason: null,
        output: { n: 1 },
        node: member.node,
        attempt: 1
      })
      assert.deepStrictEqual(job.report, report)
      assert.isNotNull(job.finishedAt)
      assert.isNotNull(job.startedAt)
      assert.deepStrictEqual(
        (yield* store.attempts(job.id)).map(({ at, logs, startedAt }) => [logs, startedAt, at]),
        [[logs, job.startedAt, job.finishedAt]]
      )
    })
  )

  fact(
    "S3.26 S3.28 a retry comes again with its attempt spent, what is out of attempts is discarded, and each attempt keeps its start and reason",
    Effect.gen(function*() {
      const { end, enqueue, only, store } = yield* lane
      const [id] = yield* enqueue({ maxAttempts: 2 })
      const first = yield* only
      yield* end(first, "retry", { failure: failure("Broken"), delayMs: later })
      const waiting = yield* jobOf(id)
      assert.deepInclude(waiting, { state: "retryable", attempt: 1, node: null, startedAt: null })
      assert.strictEqual(waiting.failure?.tag, "Broken")
      yield* store.reschedule([waiting.id], { delayMs: 0 })
      const again = yield* only
      assert.deepInclude(again, { attempt: 2, epoch: 2, lost: 0 })
      yield* end(again, "discarded", { failure: { ...failure("Lost"), error: { _tag: "Lost", n: 1 } } })
      const job = yield* jobOf(id)
      assert.deepInclude(job, { state: "discarded", attempt: 2 })
      assert.deepStrictEqual(job.failure, { ...failure("Lost"), error: { _tag: "Lost", n: 1 } })
      const attempts = yield* store.attempts(job.id)
      assert.deepStrictEqual(
        attempts.map(({ attempt, epoch, failure, startedAt }) => [attempt, epoch, failure?.tag, millis(startedAt)]),
        [[1, 1, "Broken", Math.floor(first.startedAt)], [2, 2, "Lost", Math.floor(again.startedAt)]]
      )
    })
  )

  fact(
    "snooze gives the attempt back, says why it waits, and keeps its place in line",
    Effect.gen(function*() {
      const { claimNames, claimed, end, enqueue, store } = yield* lane
      const [id] = yield* enqueue(named("first"), named("second"))
      const [job] = yield* claimed(1)
      yield* end(job, "snooze", { delayMs: later, note: "asked to wait" })
      const snoozed = yield* jobOf(id)
      assert.deepInclude(snoozed, { state: "scheduled", attempt: 0, failure: null })
      assert.include(snoozed.reason ?? "", "asked to wait")
      yield* store.reschedule([snoozed.id], { delayMs: 0 })
      assert.deepStrictEqual(yield* claimNames(), ["first", "second"])
    })
  )

  fact(
    "hand-back costs nothing: the job is available at once, unspent, in its old place",
    Effect.gen(function*() {
      const { claim, claimed, end, enqueue, member, store } = yield* lane
      yield* enqueue(named("a"), named("b"))
      const [a] = yield* claimed(1)
      yield* store.handBack(member, [a])
      const job = yield* jobOf(a.id)
      assert.deepInclude(job, { state: "available", attempt: 0, lost: 0 })
      const again = yield* claim()
      assert.deepStrictEqual(again.map(nameOf), ["a", "b"])
      assert.deepInclude(again[0], { attempt: 1, epoch: 2 })
      assert.strictEqual(yield* end(a, "completed"), "fenced")
      yield* store.handBack(member, [a])
      assert.deepStrictEqual(yield* statesOf(a.id), ["running"])
    })
  )

  fact(
    "what an older attempt writes is refused: the end, progress, hand-back; and an end counts once",
    Effect.gen(function*() {
      const { claimed, end, enqueue, member, only, store } = yield* lane
      yield* enqueue({}, {})
      const [one, two] = yield* claimed(2)
      const stranger = yield* join
      const fenced = yield* store.finish(stranger, [ending(one, "completed"), ending(two, "discarded")])
      assert.sameMembers(Array.from(fenced), [one.id, two.id])
      yield* store.handBack(stranger, [one])
      assert.deepStrictEqual(yield* statesOf(one.id, two.id), ["running", "running"])
      yield* store.handBack(member, [one])
      const newest = yield* only
      yield* store.progress(member, [{ job: newest, value: "new" }])
      yield* store.progress(member, [{ job: one, value: "old" }])
      assert.deepStrictEqual((yield* jobOf(one.id)).progress, "new")
      const mixed = yield* store.finish(member, [ending(two, "completed"), ending(one, "completed")])
      assert.deepStrictEqual(Array.from(mixed), [one.id])
      assert.strictEqual(yield* end(newest, "completed", { output: 1 }), "written")
      // an answer may be lost: what was written is not fenced, and nothing is written twice
      assert.strictEqual(yield* end(newest, "discarded"), "written")
      assert.deepInclude(yield* jobOf(one.id), { state: "completed", output: 1 })
    })
  )

  fact(
    "a paused queue gives nothing, says so, and goes on where it stopped",
    Effect.gen(function*() {
      const { claimNames, enqueue, queue, store } = yield* lane
      const [id] = yield* enqueue(named("a"))
      yield* store.pause(queue, true)
      yield* store.pause(queue, true)
      assert.deepStrictEqual(yield* claimNames(), [])
      assert.include((yield* jobOf(id)).reason ?? "", "paused")
      const state = (yield* store.queues).find(({ name }) => name === queue)
      assert.isNotNull(state?.pausedAt ?? null)
      yield* store.pause(queue, false)
      assert.deepStrictEqual(yield* claimNames(), ["a"])
      const unknown = yield* Effect.flip(store.pause(yield* fresh("unknown"), true))
      assert.strictEqual(unknown._tag, "QueueNotFound")
    })
  )

  fact(
    "S3.18 tells who waits for a queue: at once, then when a job comes, comes back or is let go",
    Effect.gen(function*() {
      const { end, enqueue, member, only, queue, store } = yield* lane
      yield* enqueue({})
      const told = yield* Stream.runHead(store.wakes(queue))
      assert.strictEqual(told._tag, "Some")
      const next = Effect.gen(function*() {
        let seen = 0
        const fiber = yield* store.wakes(queue).pipe(
          Stream.tap(() => Effect.sync(() => void (seen += 1))),
          Stream.take(2),
          Stream.runDrain,
          Effect.forkScoped
        )
        yield* Effect.repeat(Effect.yieldNow, { until: () => seen > 0 })
        return fiber
      })
      const comes = yield* next
      yield* enqueue({ priority: 1 })
      yield* Fiber.join(comes)
      const back = yield* next
      yield* store.handBack(member, yield* store.claim(member, queue, 1))
      yield* Fiber.join(back)
      yield* Effect.forEach(yield* store.claim(member, queue, 9), (job) => end(job, "completed"))
      yield* store.pause(queue, true)
      yield* enqueue({})
      const goes = yield* next
      yield* store.pause(queue, false)
      yield* Fiber.join(goes)
      yield* end(yield* only, "completed")
    })
  )
}
