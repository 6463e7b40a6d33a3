import { assert, describe, it } from "@effect/vitest"
import { Schedule } from "effect"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import { Task } from "ostinato"
import { Job, JobExplanation, JobQueue, JobWorker } from "ostinato/jobs"
import { pass, reaches, settle, store } from "./Working.ts"

const Send = Task.make("send", {
  payload: { to: Schema.String },
  error: Schema.String,
  retry: Schedule.spaced("1 minute").pipe(Schedule.upTo({ times: 1 }))
})
const Tidy = Task.make("tidy")

const working = JobWorker.layer({ queues: { default: { concurrency: 1 } }, tasks: [Send], node: "n1", partial: true })
  .pipe(
    Layer.provide(
      Send.toLayer(({ to }) => to === "slow" ? Effect.never : to === "bad" ? Effect.fail("mailbox full") : Effect.void)
    )
  )

const send = (to: string, options?: JobQueue.JobOptions<typeof Send.payload.Type>) =>
  Effect.map(JobQueue.enqueue(Send, { to }, options), ({ id }) => id)

/** Runs with a worker that is there until then, and gone after it without waiting. */
const withWorker = <A, E, R>(work: Effect.Effect<A, E, R>) =>
  Effect.gen(function*() {
    const scope = yield* Scope.make()
    yield* Layer.buildWithScope(working, scope)
    const result = yield* work
    yield* Effect.forkChild(Scope.close(scope, Exit.void), { startImmediately: true })
    yield* pass(32)
    return result
  })

describe("explain", () => {
  it.effect("says first what stands in the way of a job that could run: pauses, no worker, no handler", () =>
    Effect.gen(function*() {
      const id = yield* send("x", { tenant: "acme" })
      const alone = yield* JobQueue.explain(id)
      assert.strictEqual(alone.summary, "No living worker serves queue default: start one.")
      assert.include(alone.notes, "It is the next of its queue.")
      assert.deepStrictEqual([alone.servedBy, alone.ahead, alone.pauses], [[], 0, []])
      yield* JobQueue.pause({ queue: "default" })
      yield* JobQueue.pause({ tenant: "acme" })
      const paused = yield* JobQueue.explain(id)
      assert.strictEqual(paused.summary, "It waits because queue default is paused: resume it.")
      assert.include(paused.notes, "It waits because tenant acme is paused: resume it.")
      assert.deepStrictEqual(paused.pauses, ["queue:default", "tenant:acme"])
      const { id: other } = yield* JobQueue.enqueue(Tidy, {})
      yield* withWorker(Effect.gen(function*() {
        yield* settle
        const unknown = yield* JobQueue.explain(other)
        assert.include(
          [unknown.summary, ...unknown.notes],
          "No living worker of queue default has a handler for task tidy: deploy one that does."
        )
        assert.deepStrictEqual((yield* JobQueue.explain(id)).servedBy, ["n1"])
      }))
    }).pipe(Effect.provide(store)))

  it.effect("knows the place in line, and the limit that it waits for", () =>
    Effect.gen(function*() {
      yield* JobQueue.setLimit("smtp", { permits: 1, rate: { units: 10, per: "1 minute" } })
      yield* withWorker(Effect.gen(function*() {
        const slow = yield* send("slow")
        yield* reaches(slow, "running")
        yield* settle
        yield* JobQueue.pause({ queue: "default" })
        const first = yield* send("a")
        const second = yield* send("b")
        const urgent = yield* send("c", { priority: "high" })
        yield* JobQueue.resume({ queue: "default" })
        const places = yield* Effect.forEach([urgent, first, second], (id) => JobQueue.explain(id))
        assert.deepStrictEqual(places.map(({ ahead }) => ahead), [0, 1, 2])
        assert.strictEqual(places[1]?.summary, "1 job goes before it in queue default.")
        const running = yield* JobQueue.explain(slow)
        assert.strictEqual(running.summary, "It runs on n1 since 1970-01-01T00:00:00.000Z, attempt 1 of 20.")
        assert.deepStrictEqual(running.notes, [])
        yield* JobQueue.cancel([slow])
        yield* pass(6)
      }))
      const holder = yield* send("slow", { limit: { name: "smtp", key: "acme" }, queue: "limited" })
      const parked = yield* send("x", { limit: { name: "smtp", key: "acme" }, queue: "limited" })
      const { limit, notes } = yield* JobQueue.explain(parked)
      assert.include(notes, "It waits for limit smtp, key acme.")
      assert.deepStrictEqual(limit, { name: "smtp", key: "acme", permits: 1, rate: "10 each 60000 ms" })
      assert.isNotNull((yield* JobQueue.explain(holder)).limit)
    }).pipe(Effect.provide(store)))

  it.effect("tells when it is due, what it waits for, why it failed and how it ended", () =>
    Effect.gen(function*() {
      const later = yield* send("x", { delay: "1 hour", deadline: "2 hours" })
      const child = yield* send("y", { after: [later] })
      const scheduled = yield* JobQueue.explain(later)
      assert.strictEqual(scheduled.summary, "It is due at 1970-01-01T01:00:00.000Z.")
      assert.isNotNull(scheduled.dueAt)
      assert.include(scheduled.notes, "It is discarded unless it has completed by 1970-01-01T02:00:00.000Z.")
      const pending = yield* JobQueue.explain(child)
      assert.strictEqual(pending.summary, `It waits for 1 other job to end: ${later}.`)
      assert.deepStrictEqual(pending.waitsFor, [later])
      yield* JobQueue.cancel([later], { actor: "ada", reason: "not needed" })
      assert.strictEqual(
        (yield* JobQueue.explain(later)).summary,
        "It was cancelled at 1970-01-01T00:00:00.000Z by ada: not needed."
      )
      yield* reaches(child, "cancelled")
      yield* withWorker(Effect.gen(function*() {
        const bad = yield* send("bad")
        yield* reaches(bad, "retryable")
        const retryable = yield* JobQueue.explain(bad)
        assert.strictEqual(
          retryable.summary,
          "Attempt 1 of 20 failed with string: mailbox full; the next one is due at 1970-01-01T00:01:00.000Z."
        )
        assert.strictEqual(retryable.failures.length, 1)
        yield* pass(61)
        yield* reaches(bad, "discarded")
        const discarded = yield* JobQueue.explain(bad)
        assert.match(discarded.summary, /^It was discarded at .* after 2 of 20 attempts with string: mailbox full\.$/)
        assert.deepStrictEqual(discarded.failures.map(({ attempt }) => attempt), [2, 1])
        const good = yield* send("good")
        yield* reaches(good, "completed")
        assert.match((yield* JobQueue.explain(good)).summary, /^It completed at .* with attempt 1\.$/)
      }))
    }).pipe(Effect.provide(store)))

  it.effect("is data: it goes through JSON and comes back", () =>
    Effect.gen(function*() {
      const explanation = yield* JobQueue.explain(yield* send("x", { delay: "1 hour" }))
      const codec = Schema.fromJsonString(Schema.toCodecJson(JobExplanation.JobExplanation))
      const text = yield* Schema.encodeEffect(codec)(explanation)
      assert.deepStrictEqual(yield* Schema.decodeEffect(codec)(text), explanation)
      assert.strictEqual((yield* Effect.flip(JobQueue.explain(Job.JobId.make("9"))))._tag, "JobNotFound")
    }).pipe(Effect.provide(store)))
})
