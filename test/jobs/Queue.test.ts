import { assert, describe, it } from "@effect/vitest"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/testing/TestClock"
import { Attempt, RunContext, Task } from "ostinato"
import { Job, JobFilter, JobQueue, JobWorker } from "ostinato/jobs"
import { changed, job, pass, reaches, settle, store } from "./Working.ts"

class Busy extends Schema.TaggedError<Busy>()("Busy", { until: Schema.DateTimeUtc }) {}

const Send = Task.make("send", {
  payload: { to: Schema.String, at: Schema.optionalKey(Schema.DateTimeUtc) },
  success: Schema.Struct({ receipt: Schema.String }),
  error: Busy,
  timeout: "10 seconds"
})
const Tidy = Task.make("tidy")
const Any = Task.make("any", { payload: { value: Schema.Json } })

/** An id as code without types may give it. */
const wrong = (id: string): Job.JobId => JSON.parse(JSON.stringify(id))

const polluting: Schema.Json = JSON.parse("{\"__proto__\":{\"polluted\":true},\"constructor\":1}")
const asText = (value: unknown) => JSON.stringify(value)

const all = JobQueue.query(JobFilter.all)

const working = (
  send: Parameters<typeof Send.toLayer<never>>[0] = ({ to }) => Effect.succeed({ receipt: `to ${to}` })
) =>
  JobWorker.layer({ queues: { default: {} }, tasks: [Send, Tidy] }).pipe(
    Layer.provide([Send.toLayer(send), Tidy.toLayer(() => Effect.void)])
  )

const working2 = (send?: Parameters<typeof Send.toLayer<never>>[0]) => Layer.provideMerge(working(send), store)

describe("JobQueue", () => {
  describe("enqueue", () => {
    it.effect("keeps what was said of a job, with its defaults", () =>
      Effect.gen(function*() {
        const plain = yield* JobQueue.enqueue(Send, { to: "ada" })
        yield* JobQueue.setLimit("smtp", { permits: 1 })
        const said = yield* JobQueue.enqueue(Send, { to: "bob" }, {
          queue: "mail",
          priority: "high",
          delay: "5 minutes",
          maxAttempts: 3,
          timeout: "1 minute",
          deadline: "1 hour",
          tags: ["nightly", "nightly", "big"],
          tenant: "acme",
          limit: { name: "smtp", key: "acme" }
        })
        assert.deepInclude(yield* job(plain.id), {
          queue: "default",
          task: "send",
          state: "available",
          priority: 0,
          maxAttempts: 20,
          payload: { to: "ada" },
          meta: {}
        })
        const kept = yield* job(said.id)
        assert.deepInclude(kept, { queue: "mail", state: "scheduled", priority: -100, maxAttempts: 3 })
        assert.deepStrictEqual(kept.meta, {
          origin: { tenant: "acme", actor: null },
          tags: ["nightly", "big"],
          timeoutMs: 60_000,
          deadline: 3_600_000,
          limit: { name: "smtp", key: "acme", strict: false }
        })
        assert.strictEqual(kept.runAt === null ? 0 : DateTime.toEpochMillis(kept.runAt), 300_000)
      }).pipe(Effect.provide(store)))

    it.effect("D.11 carries tenant, actor and trace along, and a run that enqueues is the trigger", () =>
      Effect.gen(function*() {
        const enqueued = yield* JobQueue.enqueue(Tidy, {}).pipe(
          RunContext.within({ tenant: "acme", actor: "ada" }),
          Effect.withSpan("outer")
        )
        const { meta } = yield* job(enqueued.id)
        assert.deepStrictEqual(meta.origin, { tenant: "acme", actor: "ada" })
        assert.match(meta.traceparent ?? "", /^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/)
        const Parent = Task.fn(
          "parent",
          { success: Schema.Array(Schema.String) },
          Effect.fnUntraced(function*() {
            const { runId } = yield* Attempt.Attempt
            const { id } = yield* Effect.orDie(JobQueue.enqueue(Tidy, {}))
            return [runId, id]
          })
        )
        const [runId, child = "0"] = yield* Task.run(Parent, {})
        const { trigger } = (yield* job(Job.JobId.make(child))).meta
        assert.deepStrictEqual<unknown>(trigger, { kind: "task", runId })
      }).pipe(Effect.provide(store)))

    it.effect("an id makes one job, however often it is enqueued, and is refused for another one", () =>
      Effect.gen(function*() {
        const id = yield* JobQueue.newId
        const answers = yield* Effect.replicateEffect(JobQueue.enqueue(Send, { to: "ada" }, { id }), 3)
        assert.deepStrictEqual(answers.map(({ duplicate }) => duplicate), [false, true, true])
        const error = yield* Effect.flip(JobQueue.enqueue(Send, { to: "bob" }, { id }))
        assert.include(error.message, `the id ${id} belongs to another job, of task send with another payload`)
        assert.strictEqual((yield* all).length, 1)
      }).pipe(Effect.provide(store)))

    it.effect("ids that callers make never meet those of the store, and the id of an event is always the same", () =>
      Effect.gen(function*() {
        const own = yield* Effect.replicateEffect(JobQueue.newId, 1000)
        assert.strictEqual(new Set(own).size, 1000)
        const at = DateTime.makeUnsafe("2026-11-21T12:00:00Z")
        const derived = Array.from({ length: 1000 }, (_, n) => JobQueue.idFrom(`event ${n}`, at))
        assert.strictEqual(new Set(derived).size, 1000)
        assert.strictEqual(JobQueue.idFrom("event 1", at), JobQueue.idFrom("event 1", at))
        for (const id of derived) {
          const early = DateTime.toEpochMillis(at) - Job.millisOf(id)
          assert.isTrue(early >= 0 && early < 4096, `${early} ms before`)
        }
        const given = yield* JobQueue.enqueueAll(own.map(() => JobQueue.job(Tidy, {})))
        for (const { id } of given) assert.strictEqual((BigInt(id) >> 19n) & 1n, 0n)
        for (const id of [...own, ...derived]) assert.strictEqual((BigInt(id) >> 19n) & 1n, 1n)
      }).pipe(Effect.provide(store)))

    it.effect("S3.31 enqueues many in one statement, with an answer for each in the order of the call", () => {
      const calls: Array<number> = []
      return Effect.gen(function*() {
        const answers = yield* JobQueue.enqueueAll(
          Array.from(
            { length: 500 },
            (_, n) => JobQueue.job(Send, { to: `${n % 400}` }, { queue: "counted", unique: {} })
          )
        )
        assert.deepStrictEqual(calls, [500])
        assert.deepStrictEqual(answers.map(({ duplicate }) => duplicate), [
          ...Array.from({ length: 400 }, () => false),
          ...Array.from({ length: 100 }, () => true)
        ])
        assert.deepStrictEqual(answers.slice(400).map(({ id }) => id), answers.slice(0, 100).map(({ id }) => id))
        const [queue] = yield* JobQueue.queues
        assert.deepInclude(queue, { name: "counted" })
        assert.strictEqual(queue?.counts.available, 400)
        assert.deepStrictEqual(yield* JobQueue.enqueueAll([]), [])
        const counted = (yield* Metric.snapshot).find(({ attributes, id }) =>
          id === "ostinato_jobs_inserted_total" && attributes?.["task"] === "send" && attributes["queue"] === "counted"
        )
        assert.deepInclude(counted?.state, { count: 400 })
      }).pipe(Effect.provide(changed((jobs) => ({
        enqueue: (rows) => {
          calls.push(rows.length)
          return jobs.enqueue(rows)
        }
      }))))
    })

    it.effect("a job of the same call may come after others", () =>
      Effect.gen(function*() {
        const first = JobQueue.job(Tidy, {})
        const second = JobQueue.job(Tidy, {}, { after: [first] })
        const third = JobQueue.job(Tidy, {}, { after: [{ job: second, on: "failed" }] })
        const [, b, c] = yield* JobQueue.enqueueAll([first, second, third])
        assert.strictEqual((yield* job(b?.id ?? Job.JobId.make("1"))).state, "pending")
        yield* Layer.build(working())
        yield* reaches(b?.id ?? Job.JobId.make("1"), "completed")
        yield* reaches(c?.id ?? Job.JobId.make("1"), "cancelled")
        const stranger = yield* Effect.flip(JobQueue.enqueueAll([JobQueue.job(Tidy, {}, { after: [first] })]))
        assert.include(stranger.message, "it comes after a job of task tidy that this call does not enqueue")
      }).pipe(Effect.scoped, Effect.provide(store)))

    it.effect("S2.92 delivers at the instant to the millisecond; rescheduled it takes the new one, cancelled none", () => {
      const at: Array<number> = []
      return Effect.gen(function*() {
        const soon = yield* JobQueue.enqueue(Send, { to: "a" }, { delay: "1500 millis" })
        const moved = yield* JobQueue.enqueue(Send, { to: "b" }, { at: DateTime.makeUnsafe(2000) })
        const gone = yield* JobQueue.enqueue(Send, { to: "c" }, { delay: "1 second" })
        const outcome = yield* JobQueue.reschedule([moved.id], { delay: "3 seconds" })
        assert.deepStrictEqual(outcome.changed, [moved.id])
        assert.deepStrictEqual((yield* JobQueue.cancel([gone.id])).cancelled, [gone.id])
        yield* settle
        yield* TestClock.adjust(1499)
        yield* settle
        assert.deepStrictEqual(at, [])
        yield* TestClock.adjust(1)
        yield* reaches(soon.id, "completed")
        yield* TestClock.adjust(1500)
        yield* reaches(moved.id, "completed")
        assert.deepStrictEqual(at, [1500, 3000])
      }).pipe(
        Effect.provide(working2(() =>
          Effect.map(DateTime.now, (now) => {
            at.push(DateTime.toEpochMillis(now))
            return { receipt: "" }
          })
        ))
      )
    })

    it.effect("jobs with the same orderBy run one after the other", () => {
      const running: Array<string> = []
      let most = 0
      let ended = 0
      return Effect.gen(function*() {
        const jobs = yield* JobQueue.enqueueAll(
          ["a", "b", "c"].map((to) => JobQueue.job(Send, { to }, { orderBy: "account 7" }))
        )
        yield* pass(5)
        for (const { id } of jobs) yield* reaches(id, "completed")
        assert.deepStrictEqual([running, most], [["a", "b", "c"], 1])
      }).pipe(
        Effect.provide(working2(Effect.fnUntraced(function*({ to }) {
          running.push(to)
          most = Math.max(most, running.length - ended)
          yield* Effect.sleep("1 second")
          ended += 1
          return { receipt: "" }
        })))
      )
    })
    it.effect("refuses what cannot be kept, names it, and enqueues nothing of the call", () =>
      Effect.gen(function*() {
        const refused = (options: JobQueue.JobOptions<{ readonly value: Schema.Json }>) =>
          Effect.map(
            Effect.flip(
              JobQueue.enqueueAll([JobQueue.job(Any, { value: 1 }), JobQueue.job(Any, { value: 1 }, options)])
            ),
            ({ message }) => message
          )
        const cases: ReadonlyArray<readonly [JobQueue.JobOptions<{ readonly value: Schema.Json }>, string]> = [
          [{ queue: "" }, "queue is empty"],
          [{ queue: "a\nb" }, "queue \"a\\nb\" has characters that cannot be seen"],
          [{ queue: "q".repeat(129) }, "queue has 129 characters"],
          [{ priority: 1.5 }, "priority 1.5 is no whole number from -32768 to 32767"],
          [{ priority: 40_000 }, "priority 40000"],
          [{ delay: "1 hour", at: DateTime.makeUnsafe(0) }, "delay and at are both given"],
          [{ delay: -1 }, "delay -1 is no duration"],
          [{ delay: Number.NaN }, "delay NaN is no duration"],
          [{ at: DateTime.makeUnsafe(-1) }, "at is no instant from 1970 to 9999"],
          [{ delay: Infinity }, "delay Infinity is no duration"],
          [{ timeout: 0 }, "timeout 0 is no duration from 1 ms"],
          [{ maxAttempts: 0 }, "maxAttempts 0 is no whole number from 1 to 32767"],
          [{ cost: -1 }, "cost -1"],
          [{ tags: [""] }, "tag is empty"],
          [{ tags: Array.from({ length: 65 }, (_, n) => `${n}`) }, "it has 65 tags"],
          [{ tenant: "\u0000" }, "tenant"],
          [{ orderBy: "a", limit: { name: "b", key: "c" } }, "limit and orderBy are both given"],
          [{ id: wrong("12x") }, "id \"12x\" is no job id"],
          [{ id: wrong("9223372036854775808") }, "is no job id"],
          [{ after: [wrong("0")] }, "after names \"0\", which is no job id"],
          [{ unique: { within: 0 } }, "unique.within 0 is no duration"]
        ]
        for (const [options, said] of cases) assert.include(yield* refused(options), said)
        // what code without types may give
        // oxlint-disable-next-line typescript/no-explicit-any -- as said
        const payloads: ReadonlyArray<readonly [any, string]> = [
          ["x".repeat(1_048_577), "and at most 1048576 are kept: store it elsewhere and pass where it is"],
          ["a\u0000b", "U+0000"],
          ["\uD800", "surrogate"],
          [Number.NaN, "its payload does not fit"],
          [() => {}, "its payload does not fit"]
        ]
        for (const [value, said] of payloads) {
          const error = yield* Effect.flip(JobQueue.enqueue(Any, { value }))
          assert.strictEqual(error._tag, "JobInvalid")
          assert.include(error.message, said)
        }
        assert.deepStrictEqual(yield* all, [])
      }).pipe(Effect.provide(store)))

    it.effect("a field named __proto__ is a field like any other", () =>
      Effect.gen(function*() {
        const value = polluting
        const { id } = yield* JobQueue.enqueue(Any, { value }, { unique: { by: ["value"] } })
        const { payload } = yield* job(id)
        assert.strictEqual(asText(payload), asText({ value }))
        assert.notProperty({}, "polluted")
      }).pipe(Effect.provide(store)))
  })
})
