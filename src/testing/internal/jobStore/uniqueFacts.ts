/** What unique keys promise. */
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { JobId } from "../../../jobs/Job.ts"
import type { NewJob } from "../../../jobs/JobStore.ts"
import { type Fact, freshKey, jobOf, lane, later, statesOf } from "./lane.ts"
import { newJob } from "./newJob.ts"

const unique = (key: string, more: Partial<NonNullable<NewJob["unique"]>> = {}): Partial<NewJob> => ({
  unique: { key, withinMs: null, until: "done", onConflict: "skip", ...more }
})

export const uniqueFacts = (fact: Fact) => {
  fact(
    "S0.54 a unique key has one holder, and the others are told who it is",
    Effect.gen(function*() {
      const { put, queue, store } = yield* lane
      const key = yield* freshKey
      const answers = yield* Effect.forEach(
        Array.from({ length: 12 }),
        (_, n) => put({ ...unique(key), payload: n }),
        { concurrency: 12 }
      )
      assert.strictEqual(answers.filter(({ duplicate }) => !duplicate).length, 1)
      assert.strictEqual(new Set(answers.map(({ id }) => id)).size, 1)
      assert.strictEqual((yield* store.queues).find(({ name }) => name === queue)?.counts.available, 1)
    })
  )

  fact(
    "one that comes with an id of its own learns who has the key as well, and its id stays free",
    Effect.gen(function*() {
      const { put, store } = yield* lane
      const key = yield* freshKey
      const held = yield* put(unique(key))
      const id = JobId.make(String(BigInt(held.id) | (1n << 19n)))
      assert.deepStrictEqual(yield* put({ ...unique(key), id }), { id: held.id, duplicate: true })
      assert.isNull(yield* store.get(id))
      assert.deepStrictEqual(yield* put({ id }), { id, duplicate: false })
    })
  )

  fact(
    "of equal keys in one call the first gets it",
    Effect.gen(function*() {
      const { queue, store } = yield* lane
      const [one, two] = [yield* freshKey, yield* freshKey]
      const answers = yield* store.enqueue(
        [one, two, one, two].map((key, n) => newJob(queue, { ...unique(key), payload: n }))
      )
      assert.deepStrictEqual(answers.map(({ duplicate }) => duplicate), [false, false, true, true])
      assert.deepStrictEqual([answers[2]?.id, answers[3]?.id], [answers[0]?.id, answers[1]?.id])
    })
  )

  fact(
    "a key until done is held through retries, and free when the job ends in any way",
    Effect.gen(function*() {
      const { end, enqueue, only, put } = yield* lane
      for (const outcome of ["completed", "discarded", "cancelled"] as const) {
        const key = yield* freshKey
        const again = () => put(unique(key))
        yield* enqueue(unique(key))
        yield* end(yield* only, "retry")
        assert.isTrue((yield* again()).duplicate)
        yield* end(yield* only, outcome)
        const next = yield* again()
        assert.isFalse(next.duplicate)
        yield* end(yield* only, "completed")
      }
    })
  )

  fact(
    "a key until started is free when the job is claimed, one for ever or for a time is not",
    Effect.gen(function*() {
      const { claim, end, queue, store } = yield* lane
      const [started, forever, within] = [yield* freshKey, yield* freshKey, yield* freshKey]
      const all = [
        newJob(queue, unique(started, { until: "started" })),
        newJob(queue, unique(forever, { until: "forever" })),
        newJob(queue, unique(within, { until: "forever", withinMs: later }))
      ]
      const before = yield* store.enqueue(all)
      assert.deepStrictEqual((yield* store.enqueue(all)).map(({ duplicate }) => duplicate), [true, true, true])
      const jobs = yield* claim()
      const after = yield* store.enqueue(all)
      assert.deepStrictEqual(after.map(({ duplicate }) => duplicate), [false, true, true])
      yield* Effect.forEach(jobs, (job) => end(job, "completed"))
      const ended = yield* store.enqueue(all)
      assert.deepStrictEqual(ended.map(({ duplicate }) => duplicate), [true, true, true])
      assert.deepStrictEqual(ended.slice(1).map(({ id }) => id), before.slice(1).map(({ id }) => id))
    })
  )

  fact(
    "a key is free when its time is over, whatever became of the job",
    Effect.gen(function*() {
      const { put } = yield* lane
      const key = yield* freshKey
      const soon = () => put(unique(key, { until: "forever", withinMs: 40 }))
      const one = yield* soon()
      assert.isFalse(one.duplicate)
      let next = yield* soon()
      while (next.duplicate) {
        assert.strictEqual(next.id, one.id)
        yield* Effect.sleep("5 millis")
        next = yield* soon()
      }
      assert.deepStrictEqual(yield* statesOf(one.id, next.id), ["available", "available"])
    })
  )

  fact(
    "replace gives the holder the new payload, priority and due time, while it does not run",
    Effect.gen(function*() {
      const { claim, enqueue, queue, store } = yield* lane
      const key = yield* freshKey
      const [id] = yield* enqueue({ ...unique(key), payload: 1, delayMs: later })
      yield* enqueue({ payload: "other" })
      const replacing = newJob(queue, { ...unique(key, { onConflict: "replace" }), payload: 2, priority: -1 })
      assert.deepStrictEqual(yield* store.enqueue([replacing]), [{ id: id, duplicate: true }])
      const jobs = yield* claim()
      assert.deepStrictEqual(jobs.map(({ payload }) => payload), [2, "other"])
      assert.strictEqual(jobs[0]?.id, id)
      const running = yield* store.enqueue([{ ...replacing, payload: 3 }])
      assert.deepStrictEqual(running, [{ id: id, duplicate: true }])
      assert.deepStrictEqual((yield* jobOf(id)).payload, 2)
    })
  )

  fact(
    "S2.92 reschedule puts the holder off and keeps its payload: debounce",
    Effect.gen(function*() {
      const { claim, enqueue, queue, store } = yield* lane
      const key = yield* freshKey
      const [id] = yield* enqueue({ ...unique(key), payload: 1 })
      const putOff = (delayMs: number) =>
        store.enqueue([newJob(queue, { ...unique(key, { onConflict: "reschedule" }), payload: 2, delayMs })])
      assert.deepStrictEqual(yield* putOff(later), [{ id: id, duplicate: true }])
      assert.deepStrictEqual(yield* claim(), [])
      assert.deepStrictEqual(yield* putOff(0), [{ id: id, duplicate: true }])
      assert.deepStrictEqual((yield* claim()).map(({ id, payload }) => [id, payload]), [[id, 1]])
    })
  )

  fact(
    "supersede takes back jobs that do not run, frees their keys and gives what they were",
    Effect.gen(function*() {
      const { claim, enqueue, queue, store } = yield* lane
      const [waits, runs, free] = [yield* freshKey, yield* freshKey, yield* freshKey]
      const [running] = yield* enqueue({ ...unique(runs), payload: "runs" })
      yield* claim()
      const [waiting] = yield* enqueue({ ...unique(waits), payload: "waits", delayMs: later })
      const taken = yield* store.supersede([waits, runs, free])
      assert.deepStrictEqual(taken.map(({ job, key }) => [key, job.id, job.payload]), [[waits, waiting, "waits"]])
      assert.deepStrictEqual(yield* statesOf(waiting, running), ["cancelled", "running"])
      assert.strictEqual((yield* jobOf(waiting)).failure?.tag, "Superseded")
      const again = yield* store.enqueue([newJob(queue, unique(waits)), newJob(queue, unique(runs))])
      assert.deepStrictEqual(again.map(({ duplicate }) => duplicate), [false, true])
    })
  )
}
