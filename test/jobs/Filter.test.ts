import { assert, describe, it } from "@effect/vitest"
import { Result, Schema } from "effect"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/testing/TestClock"
import { Job, JobFilter } from "ostinato/jobs"

const now = DateTime.makeUnsafe("2026-11-21T12:00:00Z")
const read = (text: string) => Result.getOrThrow(JobFilter.parseAt(text, now))
const refused = (text: string) => Result.getOrThrow(Result.flip(JobFilter.parseAt(text, now))).message

const job = new Job.Job({
  id: Job.JobId.make("123"),
  queue: "sync",
  task: "insights.sync",
  state: "discarded",
  reason: null,
  priority: 0,
  attempt: 3,
  maxAttempts: 3,
  lost: 0,
  node: "worker-1",
  payload: { user: { plan: "business", age: 9 }, size: 10, name: "a b", list: [1], on: true, "a.b": 1, none: null },
  meta: {
    tags: ["nightly", "big"],
    origin: { tenant: "acme", actor: null },
    traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
  },
  createdAt: DateTime.makeUnsafe("2026-11-21T10:30:00Z"),
  runAt: null,
  availableAt: null,
  startedAt: null,
  finishedAt: null,
  progress: null,
  output: null,
  report: null,
  failure: { kind: "failure", tag: "RateLimited", message: "later", cause: "" }
})

const Word = Schema.String.check(Schema.isMinLength(1))
const Words = Schema.Array(Word)

describe("JobFilter", () => {
  describe("parse", () => {
    it("reads each term, and alternatives with commas", () => {
      const filter = read(
        "state:available,running queue:sync kind:insights.sync tag:nightly,big tenant:acme error:RateLimited node:w " +
          "trace:4bf92f id:123 payload.user.plan:business payload.size>=10 since:2h until:2026-11-30"
      )
      assert.deepStrictEqual(
        { ...filter, since: null, until: null },
        {
          ids: ["123"].map((id) => Job.JobId.make(id)),
          states: ["available", "running"],
          queues: ["sync"],
          tasks: ["insights.sync"],
          tags: ["nightly", "big"],
          tenants: ["acme"],
          errors: ["RateLimited"],
          nodes: ["w"],
          traces: ["4bf92f"],
          payload: [
            { path: ["user", "plan"], operator: "=", value: "business" },
            { path: ["size"], operator: ">=", value: "10" }
          ],
          since: null,
          until: null
        }
      )
      assert.strictEqual(filter.since === null ? "" : DateTime.formatIso(filter.since), "2026-11-21T10:00:00.000Z")
      assert.strictEqual(filter.until === null ? "" : DateTime.formatIso(filter.until), "2026-11-30T00:00:00.000Z")
    })

    it.effect("counts how long ago from the Clock", () =>
      Effect.gen(function*() {
        yield* TestClock.setTime(10_000)
        const { since } = yield* JobFilter.parse("since:4s")
        assert.strictEqual(since === null ? -1 : DateTime.toEpochMillis(since), 6000)
      }))

    it("keeps what is quoted together", () => {
      assert.deepStrictEqual(read(String.raw`queue:"my, \"own\" queue",b`).queues, ["my, \"own\" queue", "b"])
      assert.deepStrictEqual(read("payload.\"a.b\".c:\"x y\"").payload, [
        { path: ["a.b", "c"], operator: "=", value: "x y" }
      ])
      assert.deepStrictEqual(read("payload.a:\">5\"").payload[0]?.value, ">5")
      assert.deepStrictEqual(read("payload.url:https://a.b/c?d=e,f").payload[0]?.value, "https://a.b/c?d=e,f")
    })

    it("joins instants to the narrower one, and repeated keys to alternatives", () => {
      const filter = read("since:2h since:1h until:10m until:20m queue:a queue:b,a")
      assert.deepStrictEqual(filter.queues, ["a", "b"])
      assert.strictEqual(filter.since === null ? "" : DateTime.formatIso(filter.since), "2026-11-21T11:00:00.000Z")
      assert.strictEqual(filter.until === null ? "" : DateTime.formatIso(filter.until), "2026-11-21T11:40:00.000Z")
    })

    it("says what is wrong, where, and what was meant", () => {
      const cases: ReadonlyArray<readonly [string, string]> = [
        ["queue:a stat:running", "at character 9: there is no key \"stat\". Did you mean state?"],
        ["state:runing", "at character 7: there is no state \"runing\". Did you mean running?"],
        ["state:available,x", "at character 17: there is no state \"x\". States are scheduled,"],
        ["queue:a running", "at character 9: \"running\" is no term: a term is key:value"],
        ["queue:", "at character 7: queue needs a value, e.g. queue:default"],
        ["queue:a,,b", "at character 9: queue needs a value"],
        ["queue:\"a", "at character 7: the quote that opens here is not closed"],
        ["queue>a", "at character 1: queue is compared with \":\", only payload fields with \">\""],
        ["id:0", "at character 4: \"0\" is no job id"],
        ["id:9223372036854775808", "is no job id"],
        [
          "since:yesterday",
          "at character 7: \"yesterday\" is no instant: write 2026-11-01 or 2026-11-01T08:00:00Z, or how long ago: 90s"
        ],
        ["since:2026-13-40", "is no instant"],
        ["since:2026-02-30", "\"2026-02-30\" is no instant"],
        ["until:2027-02-29T08:00Z", "is no instant"],
        ["payload:a", "at character 1: payload needs the name of a field"],
        ["payload.a<>5", "at character 10: \"<>\" compares nothing: write one of : < <= > >="],
        ["queue:a payload.size==>1", "at character 21: \"==>\" compares nothing"],
        ["payloat.a:b", "Did you mean payload.<field>?"]
      ]
      for (const [text, said] of cases) assert.include(refused(text), said)
    })

    it("answers whatever is written", () => {
      for (
        const text of ["", " ", "\u0000", "::::", "a\"b", "state:\"\"", "payload.__proto__:1", "\\", "id:1e9", "🂡:🂡"]
      ) {
        const result = JobFilter.parseAt(text, now)
        if (Result.isFailure(result)) assert.strictEqual(result.failure._tag, "JobFilterInvalid")
      }
      assert.deepStrictEqual(read(" "), JobFilter.all)
    })
  })

  describe("format", () => {
    it.effect.prop("writes what parse reads as the same", {
      queues: Words,
      tags: Words,
      errors: Words,
      states: Schema.Array(Job.JobState),
      payload: Schema.Array(Schema.Struct({
        path: Schema.NonEmptyArray(Word),
        operator: Schema.Literals(["=", "<", "<=", ">", ">="]),
        value: Schema.String
      })),
      ids: Schema.Array(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 1e15 }))),
      since: Schema.NullOr(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 4e12 })))
    }, ({ errors, ids, payload, queues, since, states, tags }) => {
      const only = <A>(values: ReadonlyArray<A>) => Array.from(new Set(values))
      const filter: JobFilter.JobFilter = {
        ...JobFilter.all,
        queues: only(queues),
        tags: only(tags),
        errors: only(errors),
        states: only(states),
        ids: only(ids).map((id) => Job.JobId.make(String(id))),
        payload,
        since: since === null ? null : DateTime.makeUnsafe(since)
      }
      return Effect.sync(() => assert.deepStrictEqual(read(JobFilter.format(filter)), filter))
    }, { arbitrary: { runs: 300 } })
  })

  describe("matches", () => {
    it("asks for all terms, with alternatives within one", () => {
      const found = [
        "",
        "state:available,discarded",
        "queue:sync task:insights.sync tag:nightly,big tenant:acme error:RateLimited node:worker-1 id:123",
        "trace:4bf92f3577b34da6a3ce929d0e0e4736",
        "payload.user.plan:business payload.size>=10 payload.size<10.5 payload.name:\"a b\"",
        "payload.\"a.b\":1 payload.on:true payload.none:null payload.user.age<10",
        "since:2h until:1h"
      ]
      const missed = [
        "state:available",
        "tag:nightly,small",
        "tenant:other",
        "error:TaskTimeout",
        "payload.user:business",
        "payload.list:1",
        "payload.toString:x",
        "payload.__proto__.x:1",
        "payload.size>10",
        "since:1h",
        "until:2h",
        "queue:sync state:running"
      ]
      for (const text of found) assert.isTrue(JobFilter.matches(read(text), job), text)
      for (const text of missed) assert.isFalse(JobFilter.matches(read(text), job), text)
    })
  })

  describe("complete", () => {
    it("offers keys, then values that are not chosen yet", () => {
      assert.deepStrictEqual(JobFilter.complete("state:running t"), ["task:", "tag:", "tenant:", "trace:"])
      assert.deepStrictEqual(JobFilter.complete("state:running,r"), ["state:running,retryable"])
      assert.deepStrictEqual(JobFilter.complete("queue:", { queues: ["a", "my queue"] }), [
        "queue:a",
        "queue:\"my queue\""
      ])
      assert.deepStrictEqual(JobFilter.complete("tenant:x"), [])
    })
  })
})
