/** What `enqueue` and the ways to find a job promise. */
import { assert } from "@effect/vitest"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import { JobId } from "../../../jobs/Job.ts"
import { JobStore } from "../../../jobs/JobStore.ts"
import { type Fact, freshKey, jobOf, lane, later, stateOf, statesOf } from "./lane.ts"
import { newJob } from "./newJob.ts"

export const enqueueFacts = (fact: Fact) => {
  fact(
    "S0.54 keeps a job as it was given, due at once",
    Effect.gen(function*() {
      const { enqueue, queue } = yield* lane
      const meta = { tags: ["a", "b"], origin: { tenant: "acme", actor: "ada" }, version: 2, traceparent: "00-a-b-01" }
      const payload = { text: "ab 🙂 '\"\\", list: [1, null, { ["__proto__"]: 1 }], deep: { "": true } }
      const [id] = yield* enqueue({ task: "suite.kept", payload, meta, priority: -7, maxAttempts: 3 })
      const job = yield* jobOf(id)
      assert.deepInclude(job, {
        queue,
        task: "suite.kept",
        state: "available",
        priority: -7,
        attempt: 0,
        maxAttempts: 3,
        lost: 0,
        node: null,
        runAt: null,
        startedAt: null,
        finishedAt: null,
        progress: null,
        output: null,
        report: null,
        failure: null
      })
      assert.deepStrictEqual(job.meta, meta)
      assert.deepStrictEqual(job.payload, payload)
      assert.isNotNull(job.availableAt)
      assert.isNotNull(job.reason)
    })
  )

  fact(
    "S2.93 takes a thousand jobs in one call and answers for each in its place",
    Effect.gen(function*() {
      const { queue, store } = yield* lane
      const answers = yield* store.enqueue(Array.from({ length: 1000 }, (_, n) => newJob(queue, { payload: { n } })))
      assert.strictEqual(new Set(answers.map(({ id }) => id)).size, 1000)
      assert.isTrue(answers.every(({ duplicate }) => !duplicate))
      const some = [answers[0], answers[500], answers[999]].flatMap((answer) => answer?.id ?? [])
      const payloads = (yield* store.getMany(some)).map(({ payload }) => payload)
      assert.sameDeepMembers(payloads, [{ n: 0 }, { n: 500 }, { n: 999 }])
    })
  )

  fact(
    "gives ids that sort by time, with bit 19 clear",
    Effect.gen(function*() {
      const { enqueue } = yield* lane
      const ids = [...(yield* enqueue({}, {}, {})), ...(yield* enqueue({}))].map(BigInt)
      assert.deepStrictEqual(ids, ids.toSorted((a, b) => a < b ? -1 : 1))
      for (const id of ids) assert.strictEqual(id & (1n << 19n), 0n)
    })
  )

  fact(
    "makes no second job with the same id, within a call or in another one",
    Effect.gen(function*() {
      const { queue, store } = yield* lane
      const [given] = yield* store.enqueue([newJob(queue)])
      const id = JobId.make(String(BigInt(given?.id ?? "1") | (1n << 19n)))
      const twice = yield* store.enqueue([newJob(queue, { id, payload: 1 }), newJob(queue, { id, payload: 2 })])
      assert.deepStrictEqual(twice, [{ id, duplicate: false }, { id, duplicate: true }])
      assert.deepStrictEqual(yield* store.enqueue([newJob(queue, { id, payload: 3 })]), [{ id, duplicate: true }])
      assert.deepStrictEqual((yield* jobOf(id)).payload, 1)
    })
  )

  fact(
    "S2.92 keeps a delayed job until its time, by delay or by instant",
    Effect.gen(function*() {
      const { claim, enqueue, store } = yield* lane
      const runAt = DateTime.addDuration(yield* DateTime.now, "3 days")
      const [delayed, dated, past] = yield* enqueue(
        { delayMs: later },
        { runAt },
        { runAt: DateTime.makeUnsafe(1000), delayMs: later }
      )
      assert.deepStrictEqual(yield* Effect.map(claim(), (jobs) => jobs.map(({ id }) => id)), [past])
      assert.deepStrictEqual(yield* Effect.forEach([delayed, dated], stateOf), ["scheduled", "scheduled"])
      const { createdAt, runAt: due } = yield* jobOf(delayed)
      assert.strictEqual(due === null ? 0 : DateTime.toEpochMillis(due) - DateTime.toEpochMillis(createdAt), later)
      assert.deepStrictEqual((yield* jobOf(dated)).runAt, runAt)
      const wait = yield* store.nextDueMs
      assert.isNotNull(wait)
      assert.isAtMost(wait ?? later + 1, later)
    })
  )

  fact(
    "S2.92 S3.18 makes a job available at its time: the promoter is told, and sleeps until then",
    Effect.gen(function*() {
      const { enqueue, store } = yield* lane
      const [id] = yield* enqueue({ delayMs: 30 })
      while ((yield* stateOf(id)) !== "available") {
        yield* Effect.sleep((yield* store.nextDueMs) ?? 1)
        yield* store.promote(100)
      }
      const job = yield* jobOf(id)
      const due = job.createdAt.epochMilliseconds + 30
      assert.isAtLeast(job.availableAt?.epochMilliseconds ?? 0, due)
    })
  )

  fact(
    "a deadline counts from the insert by the store's clock, anew where the job takes the place of another",
    Effect.gen(function*() {
      const { claim, enqueue, put } = yield* lane
      const key = yield* freshKey
      const unique = { key, withinMs: null, until: "done", onConflict: "replace" } as const
      const tagged = { meta: { tags: ["a"] } }
      const [plain, keyed] = yield* enqueue({ ...tagged, deadlineMs: 1000 }, { unique, deadlineMs: 60_000 })
      const { createdAt, meta } = yield* jobOf(plain)
      assert.deepStrictEqual(meta, { tags: ["a"], deadline: createdAt.epochMilliseconds + 1000 })
      const { meta: { deadline: before = 0 } } = yield* jobOf(keyed)
      yield* Effect.sleep("20 millis")
      assert.deepStrictEqual(yield* put({ unique, deadlineMs: 60_000 }), { id: keyed, duplicate: true })
      const { meta: { deadline: after = 0 } } = yield* jobOf(keyed)
      assert.isAtLeast(after, before + 20)
      const deadlines = (yield* claim()).map(({ meta }) => meta.deadline)
      assert.sameMembers(deadlines, [createdAt.epochMilliseconds + 1000, after])
    })
  )

  fact(
    "a transaction that fails leaves nothing, one that succeeds leaves all, and what is open outside of it stays",
    Effect.gen(function*() {
      const { enqueue, queue, store } = yield* lane
      const [kept] = yield* enqueue({})
      let inside: JobId | undefined
      const failing = Effect.gen(function*() {
        const [made] = yield* store.enqueue([newJob(queue)])
        inside = made?.id
        yield* store.cancel([kept], { actor: null, reason: "test" })
        return yield* Effect.fail("no" as const)
      })
      assert.strictEqual(yield* Effect.flip(store.transaction(failing)), "no")
      assert.isNull(inside === undefined ? "not made" : yield* store.get(inside))
      const [made] = yield* store.transaction(enqueue({}))
      assert.deepStrictEqual(yield* Effect.forEach([kept, made], stateOf), ["available", "available"])
    })
  )

  fact(
    "a transaction within a transaction takes back its own part when it fails",
    Effect.gen(function*() {
      const { enqueue, store } = yield* lane
      const made = yield* store.transaction(Effect.gen(function*() {
        const outer = yield* enqueue({})
        const inner = store.transaction(Effect.flatMap(enqueue({}), (ids) => Effect.fail(ids)))
        return { outer, inner: yield* Effect.flip(Effect.mapError(inner, (e) => Array.isArray(e) ? e : [])) }
      }))
      assert.deepStrictEqual(yield* statesOf(...made.outer), ["available"])
      assert.deepStrictEqual(yield* store.getMany(made.inner), [])
    })
  )

  fact(
    "answers nothing for a job that is not there",
    Effect.gen(function*() {
      const store = yield* JobStore
      const unknown = JobId.make("7")
      assert.isNull(yield* store.get(unknown))
      assert.deepStrictEqual(yield* store.getMany([unknown]), [])
      assert.deepStrictEqual(yield* store.attempts(unknown), [])
      assert.deepStrictEqual(yield* store.parents(unknown), [])
    })
  )
}
