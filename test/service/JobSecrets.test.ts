/** One secret, and everything that is told of the jobs that hold it. */
import { assert, layer } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as SchemaGetter from "effect/SchemaGetter"
import * as TestConsole from "effect/testing/TestConsole"
import * as Tracer from "effect/Tracer"
import { MemoryRunLog, Supervisor, Task } from "ostinato"
import { type JobId, runIdOf } from "ostinato/jobs/Job"
import * as JobQueue from "ostinato/jobs/JobQueue"
import { JobStore } from "ostinato/jobs/JobStore"
import * as JobWorker from "ostinato/jobs/JobWorker"
import * as MemoryJobStore from "ostinato/jobs/stores/Memory"
import * as MemoryScheduleStore from "ostinato/schedule/stores/Memory"
import * as AppModule from "ostinato/service/AppModule"
import * as JobRuns from "ostinato/service/JobRuns"
import * as Redaction from "ostinato/service/Redaction"
import * as ExplainJob from "../../src/cli/commands/explainJob.ts"
import * as ListJobs from "../../src/cli/commands/listJobs.ts"
import * as ShowJob from "../../src/cli/commands/showJob.ts"
import { newJob } from "../../src/testing/internal/jobStore/newJob.ts"
import * as AdminApiHandler from "./AdminApiHandler.ts"

const canary = "canary-7f3a"
const sealed = "canary-sealed"
const backwards = (text: string) => Array.from(text).reverse().join("")

const Secret = Schema.Redacted(Schema.String.check(Schema.isMaxLength(40)))

/** A codec of its own, which stands for one that encrypts. */
const Sealed = Schema.RedactedFromValue(Schema.String.pipe(Schema.decodeTo(Schema.String, {
  decode: SchemaGetter.transform(backwards),
  encode: SchemaGetter.transform(backwards)
})))

class Denied extends Schema.TaggedError<Denied>()("Denied", { token: Secret }) {}

const ends = ["returns", "fails", "breaks", "does not fit"] as const

const Login = Task.make("test.login", {
  payload: { token: Secret, key: Sealed, how: Schema.Literals(ends) },
  success: Secret,
  error: Denied
})

const seen: Array<string> = []

const LoginLive = Login.toLayer(Effect.fnUntraced(function*(payload) {
  const { how, key, token } = payload
  seen.push(`${Redacted.value(token)} ${Redacted.value(key)}`)
  yield* Effect.annotateCurrentSpan({ token })
  yield* Effect.logInfo("logs in", payload)
  if (how === "returns") return token
  if (how === "does not fit") return Redacted.make(canary.repeat(9))
  const denied = new Denied({ token })
  return yield* how === "fails" ? denied : Effect.die(denied)
}))

const lines: Array<string> = []
const spans: Array<Tracer.NativeSpan> = []

const tracer = Tracer.make({
  span: (options) => {
    const span = new Tracer.NativeSpan(options)
    spans.push(span)
    return span
  }
})

const asText = (value: unknown) => JSON.stringify(value)

const told = (span: Tracer.NativeSpan) =>
  asText([span.name, Array.from(span.attributes), span.events]) +
  (span.status._tag === "Ended" && Exit.isFailure(span.status.exit) ? Cause.pretty(span.status.exit.cause) : "")

const Live = JobWorker.layer({ queues: { default: {} }, tasks: [Login] }).pipe(
  Layer.provide(LoginLive),
  Layer.provideMerge(JobRuns.layer.pipe(Layer.provide(MemoryRunLog.layer()))),
  Layer.provideMerge([MemoryJobStore.layer, MemoryScheduleStore.layer]),
  Layer.provideMerge([
    Supervisor.layer,
    Layer.succeed(Tracer.Tracer, tracer),
    Layer.succeed(Redaction.Redaction, Redaction.of([Login])),
    Logger.layer(
      [Logger.formatJson, Logger.formatLogFmt].map((format) => Logger.map(format, (line) => lines.push(line)))
    )
  ])
)

/** What the API says, path by path. */
const answers = Effect.fnUntraced(function*(requests: ReadonlyArray<readonly [path: string, body?: unknown]>) {
  const handler = yield* AdminApiHandler.make([AppModule.job(Login)])
  return yield* Effect.forEach(requests, ([path, body]) =>
    Effect.promise(async () => {
      const headers = { "content-type": "application/json" }
      const init = body === undefined ? {} : { method: "POST", body: asText(body), headers }
      const response = await handler(new Request(`http://localhost/api/v1${path}`, init))
      return `${response.status} ${await response.text()}`
    }))
})

/** What the commands print of these jobs. */
const printed = (ids: ReadonlyArray<JobId>) =>
  Effect.gen(function*() {
    for (const output of ["table", "json", "ndjson"] as const) {
      const form = { output, json: false }
      yield* ListJobs.list({ query: "", before: Option.none(), limit: 50, ...form })
      for (const job of ids) yield* Effect.andThen(ShowJob.show({ job, ...form }), ExplainJob.explain({ job, ...form }))
    }
    return (yield* TestConsole.logLines).map(String)
  }).pipe(Effect.provide(TestConsole.layer))

layer(Live, { excludeTestServices: true })("what a task calls redacted", (it) => {
  it.effect("D.15 is seen by its handler alone, however the job ends: not in logs, spans, causes, the API or what commands print", () =>
    Effect.gen(function*() {
      const jobs = yield* JobQueue.enqueueAll(
        ends.map((how) => JobQueue.job(Login, { token: Redacted.make(canary), key: Redacted.make(sealed), how }))
      )
      const [unreadable] = yield* (yield* JobStore).enqueue([
        newJob("default", { task: Login.name, payload: { token: canary, key: backwards(sealed), how: "unheard of" } })
      ])
      const exits = yield* Effect.forEach(jobs, ({ id }) => Effect.exit(JobQueue.result(Login, id)))
      yield* Effect.repeat(JobQueue.get(unreadable!.id), {
        until: ({ state }) => state === "scheduled",
        schedule: Schedule.spaced("5 millis")
      })
      const ids = [...jobs, unreadable!].map(({ id }) => id)
      const api = yield* answers([
        ["/jobs?limit=200"],
        ["/runs?limit=200"],
        ...ids.flatMap((id) => [
          [`/jobs/${id}`] as const,
          [`/jobs/${id}/attempts`] as const,
          [`/jobs/${id}/explain`] as const,
          [`/runs/${runIdOf(id)}`] as const,
          [`/runs/${runIdOf(id)}/details`] as const
        ]),
        ["/jobs/redrive", { q: "state:discarded", edit: { how: "returns" }, dryRun: true }],
        ["/jobs", { task: Login.name, payload: { token: canary.repeat(9), key: sealed, how: "returns" } }]
      ])
      const commands = yield* printed(ids)

      // each of them said something of it
      assert.deepStrictEqual(seen, ends.map(() => `${canary} ${sealed}`))
      assert.deepStrictEqual(exits.map(({ _tag }) => _tag), ["Success", "Failure", "Failure", "Failure"])
      assert.isAtLeast(
        lines.filter((line) => line.includes("logs in") && line.includes("<redacted>")).length,
        ends.length
      )
      assert.isAtLeast(spans.filter(({ name }) => name === "job test.login").length, ends.length)
      for (const said of [api, commands]) {
        assert.include(said.join("\n"), "<redacted>")
        assert.include(said.join("\n"), "Denied")
      }
      assert.match(api.at(-2) ?? "", /^200.*"found":3/)
      assert.match(api.at(-1) ?? "", /^4/)

      for (const text of [...lines, ...spans.map(told), ...api, ...commands]) {
        assert.notInclude(text, "canary")
        assert.notInclude(text, backwards(sealed))
      }
      // it is stored as the codec of its task writes it
      const stored = asText((yield* JobQueue.get(jobs[0]!.id)).payload)
      assert.include(stored, canary)
      assert.include(stored, backwards(sealed))
      assert.notInclude(stored, sealed)
    }))
})
