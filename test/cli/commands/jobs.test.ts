import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/testing/TestClock"
import * as TestConsole from "effect/testing/TestConsole"
import { Supervisor, Task } from "ostinato"
import { Job, JobId } from "ostinato/jobs/Job"
import { JobExplanation } from "ostinato/jobs/JobExplanation"
import * as JobFilter from "ostinato/jobs/JobFilter"
import * as JobQueue from "ostinato/jobs/JobQueue"
import * as JobWorker from "ostinato/jobs/JobWorker"
import * as MemoryJobStore from "ostinato/jobs/stores/Memory"
import * as AppModule from "ostinato/service/AppModule"
import { Changed, EnqueuedJob } from "ostinato/service/JobsApi"
import * as Redaction from "ostinato/service/Redaction"
import * as CancelJobs from "../../../src/cli/commands/cancelJobs.ts"
import * as EnqueueJob from "../../../src/cli/commands/enqueueJob.ts"
import * as ExplainJob from "../../../src/cli/commands/explainJob.ts"
import * as ListJobs from "../../../src/cli/commands/listJobs.ts"
import * as RedriveJobs from "../../../src/cli/commands/redriveJobs.ts"
import * as RetryJobs from "../../../src/cli/commands/retryJobs.ts"
import * as ShowJob from "../../../src/cli/commands/showJob.ts"
import * as TailJobs from "../../../src/cli/commands/tailJobs.ts"
import * as Confirm from "../../../src/cli/Confirm.ts"
import * as ExitCode from "../../../src/cli/ExitCode.ts"

const Mail = Task.make("test.mail", {
  payload: { to: Schema.String, token: Schema.optionalKey(Schema.Redacted(Schema.String)) },
  error: Schema.String
})
const MailLive = Mail.toLayer(({ to }) => to.startsWith("no") ? Effect.fail(`${to} does not answer`) : Effect.void)

const Live = MemoryJobStore.layer.pipe(
  Layer.provideMerge([Supervisor.layer, Logger.layer([]), MailLive, NodeServices.layer]),
  Layer.provideMerge([
    Layer.succeed(Confirm.Interactive, false),
    Layer.succeed(Redaction.Redaction, Redaction.of([Mail]))
  ])
)

const work = Effect.scoped(Effect.provide(
  TestClock.adjust("1 second"),
  JobWorker.layer({ queues: { default: {} }, tasks: [Mail], node: "box:1" })
))

/** What counting alone says in JSON. */
const Preview = Schema.fromJsonString(Schema.Struct({
  found: Schema.Int,
  done: Schema.Int,
  dryRun: Schema.Boolean,
  refused: Schema.Array(Schema.Unknown),
  sample: Schema.Array(Schema.Struct({ after: Schema.Struct({ to: Schema.String }) }))
}))

/** The code that the command would end with. */
const code = <A, E, R>(command: Effect.Effect<A, E, R>) =>
  Effect.match(Effect.sandbox(command), { onFailure: ExitCode.ofCause, onSuccess: () => 0 })

/** The code, and what was printed. */
const said = Effect.fnUntraced(function*<A, E, R>(command: Effect.Effect<A, E, R>) {
  const before = (yield* TestConsole.logLines).length
  const ended = yield* code(command)
  return [ended, (yield* TestConsole.logLines).slice(before).map(String).join("\n")] as const
})

const table = { output: "table", json: false } as const
const json = { output: "json", json: false } as const

const some = {
  query: Option.none<string>(),
  jobs: [] as ReadonlyArray<JobId>,
  yes: false,
  dryRun: false,
  actor: Option.none<string>(),
  reason: Option.none<string>(),
  edit: Option.none<string>(),
  rate: Option.none<number>(),
  ...table
}

const enqueued = (to: string, options?: JobQueue.JobOptions<{ readonly to: string }>, token?: string) =>
  Effect.map(
    JobQueue.enqueue(Mail, { to, ...(token === undefined ? {} : { token: Redacted.make(token) }) }, options),
    ({ id }) => id
  )

/** Whether it waits for nothing but a worker; its state is told by whoever promotes it next. */
const isDue = (id: JobId) =>
  Effect.gen(function*() {
    const { runAt, state } = yield* JobQueue.get(id)
    const now = yield* Clock.currentTimeMillis
    return state === "available" || state === "scheduled" && runAt !== null && DateTime.toEpochMillis(runAt) <= now
  })

const state = (id: JobId) => Effect.map(JobQueue.get(id), ({ state }) => state)

describe("jobs list", () => {
  it.effect("prints a table, JSON and a line of JSON a job, of what a filter finds, newest first", () =>
    Effect.gen(function*() {
      const first = yield* enqueued("ada", { tags: ["one"] })
      const second = yield* enqueued("bob", { tags: ["one"], delay: "1 day" })
      yield* enqueued("eve")
      const list = { query: "tag:one", before: Option.none(), limit: 50 }
      const [ok, printed] = yield* said(ListJobs.list({ ...list, ...table }))
      const [head, ...rows] = printed.split("\n")
      assert.strictEqual(ok, 0)
      assert.match(head ?? "", /^ID +STATE +QUEUE +TASK +ATTEMPT +CREATED +DETAIL$/)
      assert.deepStrictEqual(rows.map((row) => row.split(/ +/).slice(0, 4)), [
        [second, "scheduled", "default", "test.mail"],
        [first, "available", "default", "test.mail"]
      ])
      const decode = Schema.decodeEffect(
        Schema.fromJsonString(Schema.toCodecJson(Schema.Struct({ items: Schema.Array(Job) })))
      )
      const [, whole] = yield* said(ListJobs.list({ ...list, ...json }))
      assert.deepStrictEqual((yield* decode(whole)).items.map(({ id }) => id), [second, first])
      const [, lines] = yield* said(ListJobs.list({ ...list, output: "ndjson", json: false, limit: 1 }))
      assert.strictEqual(lines.split("\n").length, 1)
      assert.include(lines, `"id":"${second}"`)
      const [, rest] = yield* said(ListJobs.list({ ...list, ...table, before: Option.some(second) }))
      assert.deepStrictEqual(rest.split("\n").slice(1).map((row) => row.split(/ +/)[0]), [first])
    }).pipe(Effect.provide(Live)))

  it.effect("ends with 64 where the filter cannot be read, and says what is wrong with it", () =>
    Effect.gen(function*() {
      const wrong = ListJobs.list({ query: "state:asleep", before: Option.none(), limit: 50, ...table })
      assert.strictEqual(yield* code(wrong), 64)
      assert.include((yield* Effect.flip(wrong)).message, "asleep")
    }).pipe(Effect.provide(Live)))

  it.effect("S1.42 escapes control characters and marks of direction in a table, a sheet and JSON", () =>
    Effect.gen(function*() {
      const evil = "no\n\u001b[31mred\u0007\u009b2J\u202egnp\u2028\u007f"
      const id = yield* enqueued(evil, { tags: ["evil"] })
      yield* work
      const outputs = yield* Effect.all([
        said(ListJobs.list({ query: "tag:evil", before: Option.none(), limit: 50, ...table })),
        said(ListJobs.list({ query: "tag:evil", before: Option.none(), limit: 50, ...json })),
        said(ShowJob.show({ job: id, ...table })),
        said(ShowJob.show({ job: id, ...json })),
        said(ExplainJob.explain({ job: id, ...table }))
      ])
      for (const [, printed] of outputs) {
        assert.include(printed, "\\u001b[31mred")
        // oxlint-disable-next-line eslint/no-control-regex -- these are what is looked for
        assert.notMatch(printed, /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u200e\u200f\u2028\u2029\u202a-\u202e]/)
      }
      const back = yield* Schema.decodeEffect(Schema.fromJsonString(Schema.toCodecJson(Job)))(outputs[3][1])
      assert.deepStrictEqual(back.payload, { to: evil })
    }).pipe(Effect.provide(Live)))
})

describe("jobs show and explain", () => {
  it.effect("tell what is kept of a job and why it is where it is; 3 where there is none", () =>
    Effect.gen(function*() {
      const id = yield* enqueued("nobody")
      const [, waiting] = yield* said(ExplainJob.explain({ job: id, ...table }))
      assert.match(waiting, /^why +\S/m)
      yield* work
      const [, shown] = yield* said(ShowJob.show({ job: id, ...table }))
      assert.match(shown, /^state +discarded$/m)
      assert.match(shown, /^failure +\S+: nobody does not answer$/m)
      const [, explained] = yield* said(ExplainJob.explain({ job: id, ...json }))
      const decode = Schema.decodeEffect(Schema.fromJsonString(Schema.toCodecJson(JobExplanation)))
      assert.deepInclude(yield* decode(explained), { id, state: "discarded" })
      const none = JobId.make("77")
      assert.strictEqual(yield* code(ShowJob.show({ job: none, ...table })), 3)
      assert.strictEqual(yield* code(ExplainJob.explain({ job: none, ...table })), 3)
    }).pipe(Effect.provide(Live)))

  it.effect("D.15 show no redacted field of a payload", () =>
    Effect.gen(function*() {
      const { id } = yield* JobQueue.enqueue(Mail, { to: "ada", token: Redacted.make("canary-1") })
      assert.deepStrictEqual((yield* JobQueue.get(id)).payload, { to: "ada", token: "canary-1" })
      const list = { query: "", before: Option.none(), limit: 5 }
      const outputs = yield* Effect.all([
        said(ShowJob.show({ job: id, ...table })),
        said(ShowJob.show({ job: id, ...json })),
        said(ListJobs.list({ ...list, ...json }))
      ])
      for (const [, printed] of outputs) {
        assert.include(printed, "<redacted>")
        assert.notInclude(printed, "canary")
      }
    }).pipe(Effect.provide(Live)))
})

describe("jobs enqueue", () => {
  const wish = {
    task: "test.mail",
    input: Option.none(),
    queue: Option.none(),
    priority: Option.none(),
    delay: Option.none(),
    at: Option.none(),
    tag: [],
    ...json
  }
  const mail = AppModule.job(Mail, { enqueue: { unique: { by: ["to"] } }, payload: { to: "all" } })

  it.effect("makes a job with the trigger of the command line, and names the one that is there already", () =>
    Effect.gen(function*() {
      const decode = Schema.decodeEffect(Schema.fromJsonString(Schema.toCodecJson(EnqueuedJob)))
      const [ok, printed] = yield* said(EnqueueJob.enqueue(mail, undefined, {
        ...wish,
        delay: Option.some(Duration.hours(1)),
        tag: ["x"]
      }))
      assert.strictEqual(ok, 0)
      const { duplicate, id } = yield* decode(printed)
      assert.isFalse(duplicate)
      const job = yield* JobQueue.get(id)
      assert.deepInclude(job, { state: "scheduled", payload: { to: "all" } })
      assert.deepInclude(job.meta, { tags: ["x"] })
      assert.strictEqual(job.meta.trigger?.kind, "cli")
      const [, again] = yield* said(EnqueueJob.enqueue(mail, { to: "all" }, { ...wish, ...table }))
      assert.strictEqual(again, `job ${id} of test.mail is there already`)
    }).pipe(Effect.provide(Live)))

  it.effect("says where no worker serves the queue of a job, also of one that is there already, and refuses a queue of no one", () =>
    Effect.gen(function*() {
      yield* enqueued("ada", { queue: "left" })
      const left = { ...wish, ...table, queue: Option.some("left") }
      yield* EnqueueJob.enqueue(mail, undefined, left)
      yield* EnqueueJob.enqueue(mail, undefined, { ...wish, ...table })
      assert.deepStrictEqual(yield* TestConsole.errorLines, [
        "no worker serves queue left: it waits until one does",
        "no worker serves queue left, where it is: it waits until one does, or until you cancel it"
      ])
      const [, printed] = yield* said(EnqueueJob.enqueue(mail, undefined, { ...wish, output: "ndjson" }))
      assert.include(printed, `"served":false`)
      const refused = EnqueueJob.enqueue(mail, { to: "eve" }, { ...left, queue: Option.some("letf") })
      assert.strictEqual(yield* code(refused), 64)
      assert.include((yield* Effect.flip(refused)).message, `no worker serves queue "letf"`)
      assert.isEmpty(yield* JobQueue.query(yield* JobFilter.parse("queue:letf")))
    }).pipe(Effect.provide(Live)))

  it.effect("ends with 64 for a payload or a task that is none", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* code(EnqueueJob.enqueue(mail, { to: 1 }, wish)), 64)
      assert.strictEqual(yield* code(EnqueueJob.named([mail], "test.none")), 64)
      assert.isEmpty(yield* JobQueue.query(yield* JobFilter.parse("")))
    }).pipe(Effect.provide(Live)))
})

describe("jobs cancel, retry and redrive", () => {
  it.effect("change the jobs that are named: 0 for all, 2 for some, 4 for none, 3 where none is there", () =>
    Effect.gen(function*() {
      const ids = yield* Effect.forEach(["a", "b", "c"], (to) => enqueued(to, { delay: "1 day" }))
      const [a = JobId.make("1"), b = a, c = a] = ids
      const by = { actor: Option.some("ada"), reason: Option.some("wrong") }
      assert.deepStrictEqual(yield* said(CancelJobs.cancel({ ...some, ...by, jobs: [a] })), [0, "1 job cancelled"])
      assert.deepStrictEqual((yield* JobQueue.get(a)).failure?.cancellation, { actor: "ada", reason: "wrong" })
      assert.deepStrictEqual(yield* said(CancelJobs.cancel({ ...some, jobs: [a, b] })), [
        2,
        "1 job cancelled\n1 job ended already"
      ])
      assert.strictEqual(yield* code(CancelJobs.cancel({ ...some, jobs: [a] })), 4)
      assert.strictEqual(yield* code(CancelJobs.cancel({ ...some, jobs: [JobId.make("77")] })), 3)
      assert.deepStrictEqual(yield* said(RetryJobs.retry({ ...some, jobs: [c] })), [0, "1 job due now"])
      assert.deepStrictEqual(
        yield* said(CancelJobs.cancel({ ...some, jobs: [a, JobId.make("77")], output: "ndjson" })),
        [4, `{"cancelled":[],"askedToStop":[],"askedBefore":[],"endedBefore":["${a}"],"notThere":["77"]}`]
      )
      assert.isTrue(yield* isDue(c))
      assert.strictEqual(yield* code(CancelJobs.cancel(some)), 64)
      assert.strictEqual(yield* code(CancelJobs.cancel({ ...some, jobs: [c], query: Option.some("tag:x") })), 64)
    }).pipe(Effect.provide(Live)))

  it.effect("ask before they change what a filter finds: --yes where nobody can be asked, --dry-run only counts", () =>
    Effect.gen(function*() {
      const ids = yield* Effect.forEach(["a", "b", "c"], (to) => enqueued(to, { delay: "1 day", tags: ["bulk"] }))
      const query = Option.some("tag:bulk")
      const [refused, nothing] = yield* said(CancelJobs.cancel({ ...some, query }))
      assert.deepStrictEqual([refused, nothing], [64, ""])
      const error = yield* Effect.flip(CancelJobs.cancel({ ...some, query }))
      assert.include(error.message, "whether to cancel 3 jobs: add --yes")
      assert.deepStrictEqual(yield* said(CancelJobs.cancel({ ...some, query, dryRun: true })), [
        0,
        "would cancel 3 jobs"
      ])
      const [, counted] = yield* said(CancelJobs.cancel({ ...some, query, dryRun: true, output: "json" }))
      assert.deepStrictEqual(
        yield* Schema.decodeEffect(Schema.fromJsonString(Changed))(counted),
        { found: 3, done: 0, dryRun: true, more: false }
      )
      assert.deepStrictEqual(yield* Effect.forEach(ids, state), ["scheduled", "scheduled", "scheduled"])
      assert.deepStrictEqual(yield* said(CancelJobs.cancel({ ...some, query, yes: true })), [0, "3 jobs cancelled"])
      assert.deepStrictEqual(yield* Effect.forEach(ids, state), ["cancelled", "cancelled", "cancelled"])
      assert.strictEqual(yield* code(CancelJobs.cancel({ ...some, query: Option.some("tag:none"), yes: true })), 3)
    }).pipe(Effect.provide(Live)))

  it.effect("redrive only what was discarded, unless the filter says otherwise, and with an edit as new jobs", () =>
    Effect.gen(function*() {
      const [dead = JobId.make("1"), well = dead] = yield* Effect.forEach(
        ["nobody", "ada"],
        (to) => enqueued(to, { tags: ["again"] }, "canary")
      )
      yield* work
      assert.deepStrictEqual(yield* Effect.forEach([dead, well], state), ["discarded", "completed"])
      const query = Option.some("tag:again")
      assert.deepStrictEqual(yield* said(RedriveJobs.redrive({ ...some, query, dryRun: true })), [
        0,
        "would redrive 1 job"
      ])
      const edit = Option.some(`{"to":"bob"}`)
      assert.deepStrictEqual(yield* said(RedriveJobs.redrive({ ...some, query, edit, dryRun: true })), [
        0,
        `would redrive 1 job\njob     ${dead}\nbefore  {"to":"nobody","token":"<redacted>"}\n` +
        `after   {"to":"bob","token":"<redacted>"}`
      ])
      const [, preview] = yield* said(
        RedriveJobs.redrive({ ...some, jobs: [dead], edit, dryRun: true, output: "ndjson" })
      )
      assert.deepInclude(yield* Schema.decodeEffect(Preview)(preview), {
        found: 1,
        done: 0,
        dryRun: true,
        refused: [],
        sample: [{ after: { to: "bob" } }]
      })
      assert.deepStrictEqual(yield* said(RedriveJobs.redrive({ ...some, query, edit, yes: true })), [
        0,
        "1 job redriven"
      ])
      const [made] = yield* JobQueue.query(yield* JobFilter.parse("tag:again state:available"))
      assert.deepStrictEqual([made?.payload, made?.meta.redrivenFrom], [{ to: "bob", token: "canary" }, dead])
      assert.deepStrictEqual(yield* said(RedriveJobs.redrive({ ...some, jobs: [dead] })), [0, "1 job redriven"])
      assert.isTrue(yield* isDue(dead))
      assert.strictEqual(yield* code(RedriveJobs.redrive({ ...some, jobs: [well] })), 4)
      assert.strictEqual(yield* code(RedriveJobs.redrive({ ...some, query, edit: Option.some("{"), yes: true })), 64)
    }).pipe(Effect.provide(Live)))
})

describe("jobs tail", () => {
  it.effect("prints the newest jobs, then each as it comes and changes, a line each", () =>
    Effect.gen(function*() {
      const first = yield* enqueued("ada")
      const tail = yield* Effect.forkChild(TailJobs.tail({ query: "", limit: 20, output: "json", json: false }))
      yield* TestClock.adjust("1 second")
      const second = yield* enqueued("bob", { delay: "1 day" })
      yield* TestClock.adjust("1 second")
      yield* JobQueue.cancel([second])
      yield* TestClock.adjust("1 second")
      yield* Fiber.interrupt(tail)
      const lines = (yield* TestConsole.logLines).flatMap((line) => String(line).split("\n"))
      const seen = lines.map((line): readonly [string, string] => {
        const { id, state } = JSON.parse(line)
        return [id, state]
      })
      assert.deepStrictEqual(seen, [[first, "available"], [second, "scheduled"], [second, "cancelled"]])
    }).pipe(Effect.provide(Live)))
})
