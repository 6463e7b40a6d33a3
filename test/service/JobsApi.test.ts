import { assert, layer } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import { MemoryRunLog, Supervisor, Task } from "ostinato"
import { Job, type JobId, type JobState } from "ostinato/jobs/Job"
import { JobExplanation } from "ostinato/jobs/JobExplanation"
import * as JobQueue from "ostinato/jobs/JobQueue"
import * as JobWorker from "ostinato/jobs/JobWorker"
import * as MemoryJobStore from "ostinato/jobs/stores/Memory"
import * as MemoryScheduleStore from "ostinato/schedule/stores/Memory"
import * as AppModule from "ostinato/service/AppModule"
import * as JobRuns from "ostinato/service/JobRuns"
import { Changed, EnqueuedJob, Redriven } from "ostinato/service/JobsApi"
import { Backlog, QueueSummary } from "ostinato/service/QueuesApi"
import * as AdminApiHandler from "./AdminApiHandler.ts"

const Mail = Task.make("test.mail", {
  payload: { to: Schema.String, token: Schema.optionalKey(Schema.Redacted(Schema.String)) },
  success: Schema.String,
  error: Schema.String
})
const Held = Task.make("test.held", { payload: { n: Schema.Int } })

/** Opened once each of them may go on. */
const gate = Latch.makeUnsafe(false)

const HandlersLive = Layer.merge(
  Mail.toLayer(({ to }) => to === "nobody" ? Effect.fail(`${to} does not answer`) : Effect.succeed(to)),
  Held.toLayer(() => gate.await)
)

const tasks = [AppModule.job(Mail, { enqueue: { queue: "mail" }, payload: { to: "all" } }), AppModule.job(Held)]

/** Answers requests to the API. */
class Api
  extends Context.Service<Api, (request: Request) => Promise<Response>>()("ostinato/test/service/JobsApi.test/Api")
{}

const ApiLive = Layer.effect(Api, AdminApiHandler.make(tasks))

const Worker = JobWorker.layer({ queues: { mail: {}, held: {} }, tasks: [Mail, Held], node: "box:1" })

const Live = ApiLive.pipe(
  Layer.provideMerge(Worker),
  Layer.provideMerge(HandlersLive),
  Layer.provideMerge(JobRuns.layer.pipe(Layer.provide(MemoryRunLog.layer()))),
  Layer.provideMerge([MemoryJobStore.layer, MemoryScheduleStore.layer]),
  Layer.provideMerge([Supervisor.layer, Logger.layer([])])
)

const encode = Schema.encodeSync(Schema.fromJsonString(Schema.Unknown))

/** The status and the body of an answer. */
const ask = Effect.fnUntraced(function*(method: string, asked: string, body?: unknown) {
  const api = yield* Api
  const init = body === undefined ? {} : { body: encode(body), headers: { "content-type": "application/json" } }
  const response = yield* Effect.promise(() => api(new Request(`http://localhost/api/v1${asked}`, { method, ...init })))
  return { status: response.status, body: yield* Effect.promise(() => response.text()) }
})

/** An answer that is to have this form. */
const got = <A, I>(form: Schema.Codec<A, I>) => (method: string, asked: string, body?: unknown) =>
  Effect.gen(function*() {
    const answer = yield* ask(method, asked, body)
    assert.isBelow(answer.status, 300, answer.body)
    return yield* Schema.decodeEffect(Schema.fromJsonString(Schema.toCodecJson(form)))(answer.body)
  })

const Page = Schema.Struct({ items: Schema.Array(Job), next: Schema.NullOr(Schema.String) })

const Wrong = Schema.Struct({ detail: Schema.String, errors: Schema.Array(Schema.Unknown) })

const enqueue = (job: object) => got(EnqueuedJob)("POST", "/jobs", job)

const until = (id: JobId, state: JobState) =>
  Effect.repeat(JobQueue.get(id), { until: (job) => job.state === state, schedule: Schedule.spaced("5 millis") })

/** A job that is discarded, because nobody answers. */
const discarded = (tag: string) =>
  Effect.flatMap(
    enqueue({ task: "test.mail", payload: { to: "nobody" }, tags: [tag] }),
    ({ id }) => until(id, "discarded")
  )

layer(Live, { excludeTestServices: true })("the API of jobs", (it) => {
  it.effect("enqueues by the name of a task, once for an id, and gives the job, its attempts and its run", () =>
    Effect.gen(function*() {
      const first = yield* enqueue({ task: "test.mail", payload: { to: "ada" }, priority: -5, tags: ["one"] })
      const again = yield* enqueue({ task: "test.mail", payload: { to: "ada" }, id: first.id })
      assert.deepStrictEqual(again, { ...first, duplicate: true })
      assert.isTrue(first.served)
      yield* until(first.id, "completed")
      const job = yield* got(Job)("GET", `/jobs/${first.id}`)
      assert.deepInclude(job, { queue: "mail", task: "test.mail", output: "ada", priority: -5 })
      assert.deepInclude(job.meta, { tags: ["one"], trigger: { kind: "http", method: "POST", path: "/api/v1/jobs" } })
      const run = yield* ask("GET", `/runs/${first.runId}`)
      assert.include(run.body, `"status":"completed"`)
      const { id } = yield* enqueue({ task: "test.mail" })
      assert.strictEqual((yield* until(id, "completed")).output, "all")
      const failed = yield* discarded("attempts")
      const attempts = yield* ask("GET", `/jobs/${failed.id}/attempts`)
      assert.include(attempts.body, "nobody does not answer")
      const { summary } = yield* got(JobExplanation)("GET", `/jobs/${failed.id}/explain`)
      assert.include(summary, "nobody does not answer")
    }))

  it.effect("lists by a filter, in pages, each job once, and counts what it finds", () =>
    Effect.gen(function*() {
      const made = yield* Effect.forEach(
        Array.from({ length: 7 }, (_, n) => n),
        (n) => enqueue({ task: "test.mail", payload: { to: `p${n}` }, tags: ["page"], delay: "1 hour" })
      )
      const seen: Array<string> = []
      let next: string | null = ""
      while (next !== null) {
        const before: string = next === "" ? "" : `&before=${next}`
        const page = yield* got(Page)("GET", `/jobs?q=tag:page%20state:scheduled&limit=3${before}`)
        seen.push(...page.items.map(({ id }) => id))
        next = page.next
      }
      assert.deepStrictEqual(seen, made.map(({ id }) => id).reverse())
      const found = yield* got(Page)("GET", "/jobs?q=payload.to:p3")
      assert.deepStrictEqual(found.items.map(({ id }) => id), [made[3]?.id])
      assert.strictEqual((yield* ask("GET", "/jobs/count?q=tag:page")).body, `{"count":7}`)
    }))

  it.effect("says which value is wrong: 400, 404, 409 and 422 as problem+json", () =>
    Effect.gen(function*() {
      const { id } = yield* enqueue({ task: "test.mail", payload: { to: "ada" } })
      yield* until(id, "completed")
      const cases: ReadonlyArray<readonly [method: string, path: string, body: unknown, status: number, says: string]> =
        [
          ["GET", "/jobs?q=state:asleep", undefined, 400, "asleep"],
          ["GET", "/jobs?limit=0", undefined, 400, "query.limit"],
          [
            "GET",
            "/jobs?limit=abc",
            undefined,
            400,
            `query.limit: Expected a whole number from 1 to 200, got \\"abc\\"`
          ],
          ["GET", "/jobs?before=soon", undefined, 400, "before"],
          ["GET", "/jobs/99", undefined, 404, "99"],
          ["GET", "/jobs/99/attempts", undefined, 404, "99"],
          ["GET", "/jobs/99/explain", undefined, 404, "99"],
          ["POST", "/jobs/99/cancel", {}, 404, "99"],
          ["POST", "/jobs/99/retry", undefined, 404, "99"],
          ["POST", "/jobs", { task: "test.none" }, 404, "Tasks: test.mail, test.held"],
          ["POST", "/jobs", { task: "x".repeat(129) }, 400, "a length of at most 128"],
          ["POST", "/jobs", { task: "test.mail", payload: { to: 7 } }, 422, "to"],
          [
            "POST",
            "/jobs",
            { task: "test.mail", payload: { to: 7, token: 8 } },
            422,
            "Expected string\\n  at [\\\"token\\\"]"
          ],
          ["POST", "/jobs", { task: "test.mail", delay: "soon" }, 422, "soon"],
          ["POST", "/jobs", { task: "test.mail", delay: -1 }, 422, "milliseconds, 0 or more"],
          ["POST", "/jobs", { task: "test.mail", queue: "mial" }, 422, "Queues with workers: held, mail"],
          ["POST", "/jobs", { task: "test.mail", priority: 40_000 }, 400, "priority"],
          ["POST", `/jobs/${id}/reschedule`, { delay: "1 hour" }, 409, "completed"],
          ["POST", `/jobs/${id}/reschedule`, { runAt: "2026-02-30" }, 400, "an instant of the calendar"],
          ["POST", "/jobs", { task: "test.mail", runAt: "2026-02-30T10:00Z" }, 400, "2026-02-30"],
          ["POST", "/jobs/cancel", { q: "" }, 400, "q"],
          ["POST", "/jobs/cancel", { q: " \t" }, 400, "a filter that says something"],
          ["GET", "/jobs?before=9223372036854775808", undefined, 400, "below 2^63"],
          ["POST", "/jobs/cancel", { q: "state:asleep" }, 400, "asleep"],
          ["POST", "/jobs/redrive", { q: "tag:x", perSecond: 0 }, 400, "perSecond"],
          ["GET", "/queues/none", undefined, 404, "none"],
          ["POST", "/queues/none/pause", undefined, 404, "none"],
          ["PUT", "/queues/mail/limit", { permits: 0, rate: null }, 400, "permits"],
          ["DELETE", "/queues/none/limit", undefined, 404, "none"],
          ["PUT", "/limits/order", { permits: 2, rate: null }, 409, "order"],
          ["DELETE", "/queues/none", undefined, 404, "none"],
          ["DELETE", "/queues/mail", undefined, 409, "queue mail cannot be removed: "],
          ["DELETE", "/limits/none", undefined, 404, "there is no limit"],
          ["DELETE", "/limits/order", undefined, 409, "limit order cannot be removed: it is the limit behind orderBy"],
          ["PUT", "/holds/moon/full", undefined, 400, "kind"],
          ["PUT", "/holds/tenant/%00", undefined, 409, "characters that cannot be seen"],
          ["PUT", `/holds/task/${"x".repeat(129)}`, undefined, 409, "at most 128 are allowed"],
          ["PUT", "/queues/mail", { limit: "none" }, 409, "queue mail cannot be set so: there is no limit none"]
        ]
      for (const [method, path, body, status, says] of cases) {
        const answer = yield* ask(method, path, body)
        assert.strictEqual(answer.status, status, `${method} ${path} ${answer.body}`)
        assert.include(answer.body, says, path)
      }
    }))

  it.effect("lists a hundred of the values that are wrong, and says how many more there are", () =>
    Effect.gen(function*() {
      const tags = Array.from({ length: 5000 }, (_, n) => n)
      const answer = yield* ask("POST", "/jobs", { task: "test.mail", tags })
      assert.strictEqual(answer.status, 400)
      const told = yield* Schema.decodeEffect(Schema.fromJsonString(Wrong))(answer.body)
      assert.strictEqual(told.errors.length, 100)
      assert.match(told.detail, /^payload\.tags\.0: Expected string, got 0; .*; and 4995 more$/)
    }))

  it.effect("D.9 cancels a job that runs, and all that a filter finds, and only counts where it is asked to", () =>
    Effect.gen(function*() {
      const { id } = yield* enqueue({ task: "test.held", payload: { n: 1 }, queue: "held" })
      yield* until(id, "running")
      const by = { actor: "ada", reason: "wrong branch" }
      assert.strictEqual((yield* ask("POST", `/jobs/${id}/cancel`, by)).body, `{"answer":"requested"}`)
      assert.deepStrictEqual((yield* until(id, "cancelled")).failure?.cancellation, by)
      assert.strictEqual((yield* ask("POST", `/jobs/${id}/cancel`, by)).body, `{"answer":"ended"}`)
      yield* Effect.forEach(
        [1, 2, 3],
        (n) => enqueue({ task: "test.held", payload: { n }, queue: "held", delay: 60_000, tags: ["bulk"] })
      )
      const dry = yield* got(Changed)("POST", "/jobs/cancel", { q: "tag:bulk", dryRun: true })
      assert.deepStrictEqual(dry, { found: 3, done: 0, dryRun: true, more: false })
      const done = yield* got(Changed)("POST", "/jobs/cancel", { q: "tag:bulk", ...by })
      assert.deepStrictEqual(done, { found: 3, done: 3, dryRun: false, more: false })
      assert.strictEqual((yield* ask("GET", "/jobs/count?q=tag:bulk%20state:cancelled")).body, `{"count":3}`)
    }))

  it.effect("retries, redrives with an edit, and gives another time", () =>
    Effect.gen(function*() {
      const failed = yield* discarded("again")
      const dry = yield* got(Redriven)("POST", "/jobs/redrive", { q: "tag:again", edit: { to: "bob" }, dryRun: true })
      assert.deepStrictEqual(dry.sample, [{ id: failed.id, before: { to: "nobody" }, after: { to: "bob" } }])
      const redriven = yield* got(Redriven)("POST", "/jobs/redrive", { q: "tag:again", edit: { to: "bob" } })
      assert.deepInclude(redriven, { found: 1, done: 1, refused: [] })
      const [made] = yield* Effect.repeat(got(Page)("GET", "/jobs?q=tag:again%20state:completed"), {
        until: ({ items }) => items.length === 1,
        schedule: Schedule.spaced("5 millis")
      }).pipe(Effect.map(({ items }) => items))
      assert.deepInclude(made, { output: "bob" })
      assert.strictEqual(made?.meta.redrivenFrom, failed.id)
      const { id } = yield* enqueue({ task: "test.mail", payload: { to: "late" }, delay: "1 hour" })
      const at = "2100-01-01T00:00:00.000Z"
      assert.strictEqual(
        (yield* got(Job)("POST", `/jobs/${id}/reschedule`, { runAt: at })).runAt?.toString(),
        `DateTime.Utc(${at})`
      )
      yield* got(Job)("POST", `/jobs/${id}/retry`)
      yield* until(id, "completed")
      const many = yield* got(Changed)("POST", "/jobs/retry", { q: "tag:again state:discarded" })
      assert.deepInclude(many, { found: 1, done: 1 })
    }))

  it.effect("D.15 tells no redacted field, and erases payloads by filter for good, while the history stays", () =>
    Effect.gen(function*() {
      const kept = yield* JobQueue.enqueue(Mail, { to: "ada", token: Redacted.make("canary-7f3a") }, { queue: "mail" })
      yield* until(kept.id, "completed")
      assert.deepStrictEqual((yield* JobQueue.get(kept.id)).payload, { to: "ada", token: "canary-7f3a" })
      assert.deepStrictEqual(
        (yield* got(Job)("GET", `/jobs/${kept.id}`)).payload,
        { to: "ada", token: "<redacted>" }
      )
      const { id } = yield* enqueue({ task: "test.mail", payload: { to: "canary-name" }, tags: ["secret"] })
      yield* until(id, "completed")
      assert.deepInclude(
        yield* got(Changed)("POST", "/jobs/erase", { q: "tag:secret", actor: "ada", reason: "asked to" }),
        { found: 1, done: 1 }
      )
      const everything = yield* Effect.forEach(
        ["/jobs?limit=200", `/jobs/${id}`, `/jobs/${id}/attempts`, `/jobs/${id}/explain`, "/runs?limit=200"],
        (path) => Effect.map(ask("GET", path), ({ body }) => body)
      )
      assert.notInclude(everything.join("\n"), "canary")
      assert.deepInclude(yield* got(Job)("GET", `/jobs/${id}`), { state: "completed", task: "test.mail", output: null })
      const open = yield* enqueue({ task: "test.mail", delay: "1 hour" })
      assert.strictEqual((yield* ask("POST", `/jobs/${open.id}/erase`, {})).status, 409)
    }))

  it.effect("S3.29 pauses, resumes, limits and drains a queue, tells its throughput, holds a task, and tells an autoscaler its backlog", () =>
    Effect.gen(function*() {
      const summary = got(QueueSummary)
      const paused = yield* summary("POST", "/queues/mail/pause")
      assert.isNotNull(paused.pausedAt)
      const { id } = yield* enqueue({ task: "test.mail", payload: { to: "held up" } })
      const backlog = yield* got(Backlog)("GET", "/queues/mail/backlog")
      assert.deepEqual(backlog, { available: 0, running: 0, oldestSeconds: 0 })
      assert.deepInclude(yield* got(JobExplanation)("GET", `/jobs/${id}/explain`), { pauses: ["queue:mail"] })
      yield* summary("POST", "/queues/mail/resume")
      yield* until(id, "completed")
      const values = { permits: 2, rate: { units: 10, perMs: 1000, burst: 5 } }
      const limited = yield* summary("PUT", "/queues/mail/limit", values)
      assert.deepInclude(limited, { limit: "mail", workers: 1 })
      const { cancelled, completed, discarded, perSecond } = limited.recent
      const { workers: _, waiting: __, running: ___, ...ends } = yield* JobQueue.stats("mail")
      assert.isAtLeast(completed, 1)
      assert.deepInclude(ends, { completed, discarded, cancelled, perSecond })
      assert.include((yield* ask("GET", "/limits")).body, encode({ name: "mail", ...values }))
      assert.deepInclude(yield* summary("DELETE", "/queues/mail/limit"), { limit: null })
      const running = yield* enqueue({ task: "test.held", payload: { n: 2 }, queue: "held" })
      yield* until(running.id, "running")
      const Drained = got(Schema.Struct({ drained: Schema.Boolean, queue: QueueSummary }))
      assert.isFalse((yield* Drained("POST", "/queues/held/drain", { timeoutMs: 0 })).drained)
      yield* gate.open
      assert.isTrue((yield* Drained("POST", "/queues/held/drain", {})).drained)
      assert.strictEqual((yield* ask("PUT", "/holds/task/test.mail")).status, 204)
      assert.strictEqual((yield* ask("GET", "/holds")).body, `{"items":["task:test.mail"]}`)
      assert.strictEqual((yield* ask("DELETE", "/holds/task/test.mail")).status, 204)
      assert.strictEqual((yield* ask("GET", "/holds")).body, `{"items":[]}`)
    }))

  it.effect("streams what changes: the whole first, then each job as it comes and ends", () =>
    Effect.gen(function*() {
      const { id: old } = yield* enqueue({ task: "test.mail", payload: { to: "old" }, tags: ["live"], delay: "1 hour" })
      const api = yield* Api
      const response = yield* Effect.promise(() => api(new Request("http://localhost/api/v1/jobs/changes?q=tag:live")))
      assert.match(response.headers.get("content-type") ?? "", /^text\/event-stream/)
      const reader = (response.body ?? assert.fail("no body")).getReader()
      let text = ""
      const read = (holds: string) =>
        Effect.promise(async () => {
          while (!text.includes(holds)) text += new TextDecoder().decode((await reader.read()).value)
        })
      yield* read(old)
      assert.include(text, "event: reset")
      const { id } = yield* enqueue({ task: "test.mail", payload: { to: "new" }, tags: ["live"] })
      yield* until(id, "completed")
      text = ""
      yield* read(`"output":"new"`)
      assert.notInclude(text, old)
      assert.include(text, "event: jobs")
      yield* Effect.promise(() => reader.cancel())
      assert.strictEqual((yield* ask("GET", "/jobs/changes?q=state:asleep")).status, 400)
    }))

  it.effect("a stream of changes says which jobs its filter no longer finds", () =>
    Effect.gen(function*() {
      const wish = { task: "test.mail", payload: { to: "x" }, tags: ["leaves"], delay: "1 hour" }
      const { id } = yield* enqueue(wish)
      const api = yield* Api
      const request = new Request("http://localhost/api/v1/jobs/changes?q=tag:leaves%20state:scheduled&limit=1")
      const response = yield* Effect.promise(() => api(request))
      const reader = (response.body ?? assert.fail("no body")).getReader()
      const read = (holds: string) =>
        Effect.promise(async () => {
          let text = ""
          while (!text.includes(holds)) text += new TextDecoder().decode((await reader.read()).value)
          return text
        })
      yield* read("event: reset")
      // a newer one takes its place, and comes back as the newest when that is cancelled
      const newer = yield* enqueue(wish)
      assert.include(yield* read(`"left":["${id}"]`), newer.id)
      yield* ask("POST", `/jobs/${newer.id}/cancel`, {})
      assert.include(yield* read(`"left":["${newer.id}"]`), id)
      yield* ask("POST", `/jobs/${id}/cancel`, {})
      assert.include(yield* read(`"left":["${id}"]`), `"items":[]`)
      yield* Effect.promise(() => reader.cancel())
    }))

  it.effect("a stream of changes that is taken up again begins anew only where something has changed meanwhile", () =>
    Effect.gen(function*() {
      const api = yield* Api
      const open = Effect.fnUntraced(function*(last: string | null) {
        const headers = last === null ? {} : { "last-event-id": last }
        const request = new Request("http://localhost/api/v1/jobs/changes?q=tag:resumed", { headers })
        const response = yield* Effect.promise(() => api(request))
        return (response.body ?? assert.fail("no body")).getReader()
      })
      /** What a stream says until it names this job. */
      const said = Effect.fnUntraced(function*(job: string, reader: Effect.Success<ReturnType<typeof open>>) {
        let text = ""
        yield* Effect.promise(async () => {
          while (!text.includes(job)) text += new TextDecoder().decode((await reader.read()).value)
          await reader.cancel()
        })
        return {
          events: Array.from(text.matchAll(/^event: (.+)$/gm), ([, name]) => name).filter((name) => name !== "ping"),
          id: Array.from(text.matchAll(/^id: (.+)$/gm), ([, id = ""]) => id).at(-1) ?? ""
        }
      })
      const make = Effect.map(
        enqueue({ task: "test.mail", payload: { to: "x" }, tags: ["resumed"], delay: "1h" }),
        ({ id }) => id
      )
      const first = yield* make
      const begun = yield* said(first, yield* open(null))
      assert.deepStrictEqual(begun.events, ["reset"])
      // nothing was missed: what comes first is what is new
      const resumed = yield* open(begun.id)
      const changed = yield* said(yield* make, resumed)
      assert.deepStrictEqual(changed.events, ["jobs"])
      const third = yield* make
      const missed = yield* said(third, yield* open(changed.id))
      assert.deepStrictEqual(missed.events, ["reset"])
      const stranger = yield* said(third, yield* open("of another service"))
      assert.deepStrictEqual(stranger, missed)
    }))
})
