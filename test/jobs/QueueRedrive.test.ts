import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/testing/TestClock"
import { Task } from "ostinato"
import { JobFilter, JobQueue, JobWorker, PayloadVersion } from "ostinato/jobs"
import { job, reaches, settle, store, until } from "./Working.ts"

const Send = Task.make("send", { payload: { to: Schema.String, n: Schema.Int }, error: Schema.String })
const Other = Task.make("other", { error: Schema.String })

const discarded: JobFilter.JobFilter = { ...JobFilter.all, states: ["discarded"] }

/** Jobs that were discarded: what is sent to `bad` fails. */
const failed = (count: number) =>
  Effect.gen(function*() {
    const jobs = yield* JobQueue.enqueueAll(
      Array.from({ length: count }, (_, n) =>
        JobQueue.job(Send, { to: "bad", n }, { tags: ["t"], limit: { name: "order", key: "k" }, tenant: "acme" }))
    )
    yield* settle
    yield* until(
      "all are discarded",
      Effect.map(JobQueue.count(discarded), (found) =>
        found >= count)
    )
    return jobs.map(({ id }) =>
      id
    )
  })

const working = Layer.provideMerge(
  JobWorker.layer({ queues: { default: {} }, tasks: [Send, Other] }).pipe(
    Layer.provide([
      Send.toLayer(({ to }) => to === "bad" ? Effect.fail("no") : Effect.void),
      Other.toLayer(() => Effect.fail("never"))
    ])
  ),
  store
)

describe("redrive", () => {
  it.effect("runs discarded jobs again, with their attempts counted anew", () =>
    Effect.gen(function*() {
      const ids = yield* failed(3)
      yield* JobQueue.pause({ queue: "default" })
      const { before, found, more, redriven, refused } = yield* JobQueue.redrive(JobFilter.all)
      assert.sameMembers([...redriven], ids)
      assert.deepStrictEqual([before, refused, found, more], [[], [], 3, false])
      for (const id of ids) assert.deepInclude(yield* job(id), { attempt: 0 })
    }).pipe(Effect.provide(working)))

  it.effect("a typed edit makes new jobs in the newest version, once however often it is repeated", () =>
    Effect.gen(function*() {
      const ids = yield* failed(3)
      const Newest = PayloadVersion.of(Send, { version: 2, from: { 1: (json) => json } })
      const edit = JobQueue.editing(Newest, (payload) => ({ ...payload, to: "good" }))
      const { redriven } = yield* JobQueue.redrive(discarded, { edit })
      assert.strictEqual(redriven.length, 3)
      for (const id of redriven) {
        const { meta, payload, queue } = yield* job(id)
        assert.deepInclude(payload, { to: "good" })
        assert.include(ids, meta.redrivenFrom)
        assert.deepStrictEqual([meta.version, meta.tags, meta.origin?.tenant, queue], [2, ["t"], "acme", "default"])
        assert.deepStrictEqual(meta.limit, { name: "order", key: "k", strict: false })
      }
      const again = yield* JobQueue.redrive(discarded, { edit })
      assert.deepStrictEqual([again.redriven.length, again.before.length], [0, 3])
      for (const id of ids) assert.strictEqual((yield* job(id)).state, "discarded")
    }).pipe(Effect.provide(working)))

  it.effect("a JSON patch changes, adds and takes away; a dry run only shows it", () =>
    Effect.gen(function*() {
      const [id] = yield* failed(1)
      const patch = { to: "good", extra: { a: 1 }, gone: null }
      const dry = yield* JobQueue.redrive(discarded, { edit: { patch }, dryRun: true })
      assert.deepStrictEqual(dry.sample, [
        { id: id ?? dry.sample[0]!.id, before: { to: "bad", n: 0 }, after: { to: "good", n: 0, extra: { a: 1 } } }
      ])
      assert.deepStrictEqual([dry.found, dry.redriven], [1, []])
      const { redriven: [made] } = yield* JobQueue.redrive(discarded, { edit: { patch } })
      yield* reaches(made ?? dry.sample[0]!.id, "completed")
    }).pipe(Effect.provide(working)))

  it.effect("what cannot be edited is left alone and said with its reason", () =>
    Effect.gen(function*() {
      yield* failed(1)
      const { id } = yield* JobQueue.enqueue(Other, {})
      yield* reaches(id, "discarded")
      const { redriven, refused } = yield* JobQueue.redrive(discarded, {
        edit: JobQueue.editing(Send, () => {
          throw new Error("no idea")
        })
      })
      assert.deepStrictEqual(redriven, [])
      assert.sameMembers(refused.map(({ detail }) => detail), [
        "no idea",
        "it is a job of task other, and the edit is for send"
      ])
    }).pipe(Effect.provide(working)))

  it.effect("keeps to a rate and to a limit, and leaves jobs alone that have not ended", () =>
    Effect.gen(function*() {
      yield* failed(10)
      yield* JobQueue.pause({ queue: "default" })
      const { id: waits } = yield* JobQueue.enqueue(Send, { to: "x", n: 0 }, { delay: "1 day" })
      const open = JobQueue.count({ ...JobFilter.all, states: ["available"] })
      const redriving = yield* Effect.forkChild(
        JobQueue.redrive({ ...JobFilter.all, states: ["discarded", "scheduled"] }, { perSecond: 2, limit: 7 }),
        { startImmediately: true }
      )
      yield* settle
      const counts = [yield* open]
      for (let second = 0; second < 3; second++) {
        yield* TestClock.adjust("1 second")
        yield* settle
        counts.push(yield* open)
      }
      assert.isBelow(counts[0] ?? 9, 3)
      for (const [at, count] of counts.entries()) assert.isAtMost(count, 2 * (at + 1))
      yield* TestClock.adjust("10 seconds")
      const { more, redriven } = yield* Fiber.join(redriving)
      assert.isTrue(more)
      assert.isAtMost(redriven.length, 7)
      assert.strictEqual((yield* job(waits)).state, "scheduled")
    }).pipe(Effect.provide(working)))
})
