import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import type * as Tracer from "effect/Tracer"
import { Attempt, Interceptor, MemoryCheckpointStore, Pipeline, RunContext, Task } from "ostinato"
import * as Job from "ostinato/jobs/Job"
import * as JobAttempt from "ostinato/jobs/JobAttempt"
import * as JobFilter from "ostinato/jobs/JobFilter"
import * as JobQueue from "ostinato/jobs/JobQueue"
import { JobStore } from "ostinato/jobs/JobStore"
import * as JobWorker from "ostinato/jobs/JobWorker"
import { changed, job, pass, reaches, settle, store, until } from "./Working.ts"

class Lost extends Schema.TaggedError<Lost>()("Lost", { code: Schema.Int }) {}

/** A test that fails does not wait for what it left running. */
const drain = 0

const Work = Task.make("work", { error: Lost, timeout: "1 minute", grace: "2 seconds" })

/** Runs a job of `Work` on a worker, and says in which state it was when the attempt's Scope closed. */
const released = (
  handler: Effect.Effect<void, Lost>,
  then: (id: Job.JobId, worker: JobWorker.JobWorker["Service"]) => Effect.Effect<unknown, unknown, JobStore>,
  release: Effect.Effect<void> = Effect.void
) =>
  Effect.gen(function*() {
    const events: Array<string> = []
    const jobs = yield* JobStore
    const working = yield* Latch.make()
    const live = Work.toLayer(() =>
      Effect.gen(function*() {
        const { id } = (yield* JobAttempt.current)!
        yield* Effect.addFinalizer(() =>
          Effect.andThen(
            release,
            Effect.map(
              Effect.orDie(jobs.get(id)),
              (job) => void events.push(`released while ${job?.state}`)
            )
          )
        )
        yield* working.open
        yield* handler
      })
    )
    const { id } = yield* JobQueue.enqueue(Work, {})
    yield* Effect.gen(function*() {
      const worker = yield* JobWorker.JobWorker
      yield* working.await
      yield* then(id, worker)
    }).pipe(Effect.provide(Layer.provide(JobWorker.layer({ queues: { default: {} }, drain, tasks: [Work] }), live)))
    return { events, job: yield* job(id) }
  })

describe("the Scope of an attempt of a job", () => {
  it.effect("D.4 closes before the job has completed", () =>
    Effect.gen(function*() {
      const { events, job } = yield* released(Effect.void, (id) => reaches(id, "completed"))
      assert.deepStrictEqual(events, ["released while running"])
      assert.strictEqual(job.state, "completed")
    }).pipe(Effect.provide(store)))

  it.effect("D.4 closes before a failure is recorded", () =>
    Effect.gen(function*() {
      const { events, job } = yield* released(Effect.fail(new Lost({ code: 7 })), (id) => reaches(id, "discarded"))
      assert.deepStrictEqual(events, ["released while running"])
      assert.strictEqual(job.failure?.tag, "Lost")
    }).pipe(Effect.provide(store)))

  it.effect("D.4 D.9 closes before a cancelled job has ended; who cancelled it and why is kept, and a second cancel says so", () =>
    Effect.gen(function*() {
      const by = { actor: "ada", reason: "not needed" }
      const mayClose = yield* Latch.make()
      const answers: Array<unknown> = []
      const { events, job } = yield* released(Effect.never, (id) =>
        Effect.gen(function*() {
          const jobs = yield* JobStore
          answers.push((yield* jobs.cancel([id], by)).get(id), (yield* jobs.cancel([id], by)).get(id))
          yield* mayClose.open
          yield* reaches(id, "cancelled")
          answers.push((yield* jobs.cancel([id], by)).get(id))
        }), mayClose.await)
      assert.deepStrictEqual(answers, ["requested", "already", "ended"])
      assert.deepStrictEqual(events, ["released while running"])
      assert.strictEqual(job.state, "cancelled")
      assert.deepStrictEqual(job.failure?.cancellation, by)
    }).pipe(Effect.provide(store)))

  it.effect("D.4 closes before a timeout is recorded", () =>
    Effect.gen(function*() {
      const { events, job } = yield* released(
        Effect.never,
        (id) => Effect.andThen(pass(61), reaches(id, "discarded"))
      )
      assert.deepStrictEqual(events, ["released while running"])
      assert.strictEqual(job.failure?.tag, "TaskTimeout")
    }).pipe(Effect.provide(store)))

  it.effect("D.4 S3.20 closes before a stop gives the job back, unspent", () =>
    Effect.gen(function*() {
      const { events, job } = yield* released(Effect.never, (_id, worker) =>
        Effect.gen(function*() {
          const stopping = yield* Effect.forkChild(worker.stop)
          yield* pass(2)
          const report = yield* Fiber.join(stopping)
          assert.deepInclude(report, { completed: 0, handedBack: 1, abandoned: 0 })
        }))
      assert.deepStrictEqual(events, ["released while running"])
      assert.deepInclude(job, { state: "available", attempt: 0 })
    }).pipe(Effect.provide(store)))

  it.effect("D.4 closes when the lease is lost, and nothing is recorded", () =>
    Effect.gen(function*() {
      const lost = yield* Latch.make()
      const finished: Array<string> = []
      let members = 0
      const result = yield* released(Effect.never, () => Effect.andThen(lost.open, settle)).pipe(
        Effect.provide(changed((jobs) => ({
          join: (options) =>
            Effect.map(jobs.join(options), (member) => ++members === 1 ? { ...member, lost: lost.await } : member),
          finish: (member, ends) => {
            finished.push(...ends.map(({ outcome }) => outcome))
            return jobs.finish(member, ends)
          }
        })))
      )
      assert.deepStrictEqual(result.events, ["released while running"])
      assert.strictEqual(result.job.state, "running")
      assert.deepStrictEqual(finished, [])
      assert.strictEqual(members, 2)
    }))

  it.effect("D.4 whose finalizer hangs holds its job no longer than its grace", () =>
    Effect.gen(function*() {
      const { events, job } = yield* released(
        Effect.never,
        (id) => Effect.andThen(pass(63), reaches(id, "discarded")),
        Effect.never
      )
      assert.deepStrictEqual(events, [])
      assert.strictEqual(job.failure?.tag, "TaskTimeout")
    }).pipe(Effect.provide(store)))
})

const Told = Task.make("told", { payload: { n: Schema.Int } })

describe("an attempt of a job", () => {
  it.effect("D.11 runs within the interceptors in their order, and knows who asked for it", () =>
    Effect.gen(function*() {
      const events: Array<string> = []
      const named = (name: string): Interceptor.Interceptor => (attempt, { attempt: number, task }) =>
        Effect.onExit(
          Effect.suspend(() => {
            events.push(`${name} ${task} ${number}`)
            return attempt
          }),
          (exit) => Effect.sync(() => events.push(`${name} ${exit._tag}`))
        )
      const live = Told.toLayer(() =>
        Effect.gen(function*() {
          const origin = yield* RunContext.RunContext
          events.push(`handler for ${origin.actor} of ${origin.tenant}`)
          yield* Effect.logInfo("here")
          yield* Effect.orDie(JobQueue.enqueue(Told, { n: 2 }, { queue: "other" }))
        })
      )
      const { id } = yield* RunContext.within({ actor: "ada", tenant: "acme" })(JobQueue.enqueue(Told, { n: 1 }))
      yield* reaches(id, "completed").pipe(
        Effect.provide(
          JobWorker.layer({ queues: { default: {} }, drain, tasks: [Told] }).pipe(
            Layer.provide(live),
            Layer.provide(Interceptor.layer(named("outer"), named("inner")))
          )
        )
      )
      assert.deepStrictEqual(events, [
        "outer told 1",
        "inner told 1",
        "handler for ada of acme",
        "inner Success",
        "outer Success"
      ])
      const jobs = yield* JobStore
      const [next] = yield* jobs.query({ filter: { ...JobFilter.all, queues: ["other"] }, before: null, limit: 10 })
      assert.deepInclude(next?.meta.origin, { actor: "ada", tenant: "acme" })
      assert.deepStrictEqual(next?.meta.trigger, { kind: "task", runId: Job.runIdOf(id) })
      assert.deepStrictEqual((yield* jobs.attempts(id)).flatMap(({ logs }) => logs.map(({ message }) => message)), [
        "here"
      ])
    }).pipe(Effect.provide(store)))

  it.effect("D.11 is traced in a span of its own, linked to whoever enqueued the job", () =>
    Effect.gen(function*() {
      const { id } = yield* Effect.withSpan(JobQueue.enqueue(Told, { n: 1 }), "enqueuer")
      let seen: Tracer.Span | undefined
      const live = Told.toLayer(() =>
        Effect.map(Effect.orDie(Effect.currentSpan), (span) => {
          seen = span
        })
      )
      yield* reaches(id, "completed").pipe(
        Effect.provide(Layer.provide(JobWorker.layer({ queues: { default: {} }, drain, tasks: [Told] }), live))
      )
      assert.strictEqual(seen?.name, "job told")
      assert.strictEqual(seen?.links.length, 1)
      assert.strictEqual(`00-${seen?.links[0]!.span.traceId}`, (yield* job(id)).meta.traceparent?.slice(0, 35))
    }).pipe(Effect.provide(store)))

  it.effect("has the run id of its job in every attempt, and a number that counts up", () =>
    Effect.gen(function*() {
      const Flaky = Task.make("flaky", { error: Lost, retry: Schedule.recurs(2) })
      const attempts: Array<unknown> = []
      const live = Flaky.toLayer(() =>
        Effect.gen(function*() {
          const { number, runId, task } = yield* Attempt.Attempt
          attempts.push({ number, runId, task })
          if (number < 3) return yield* new Lost({ code: number })
        })
      )
      const { id } = yield* JobQueue.enqueue(Flaky, {})
      yield* reaches(id, "completed").pipe(
        Effect.provide(Layer.provide(JobWorker.layer({ queues: { default: {} }, drain, tasks: [Flaky] }), live))
      )
      const runId = Job.runIdOf(id)
      assert.deepStrictEqual(attempts, [1, 2, 3].map((number) => ({ number, runId, task: "flaky" })))
    }).pipe(Effect.provide(store)))

  it.effect("keeps the newest of what it logs, each line cut to a length", () =>
    Effect.gen(function*() {
      const live = Told.toLayer(() =>
        Effect.forEach(Array.from({ length: 300 }, (_, i) => i), (i) => Effect.logInfo(`${i} ${"x".repeat(5000)}`))
      )
      const { id } = yield* JobQueue.enqueue(Told, { n: 1 })
      yield* reaches(id, "completed").pipe(
        Effect.provide(Layer.provide(JobWorker.layer({ queues: { default: {} }, drain, tasks: [Told] }), live))
      )
      const [attempt] = yield* (yield* JobStore).attempts(id)
      const lines = attempt!.logs.map(({ message }) => message)
      assert.isTrue(lines.at(-1)!.startsWith("299 "))
      assert.isTrue(lines.every((line) => line.length <= 2000))
      assert.isAtMost(lines.join("").length, 65_536)
    }).pipe(Effect.provide(store)))

  it.effect("a pipeline that is a job goes on at its unfinished stage when it is attempted again", () =>
    Effect.gen(function*() {
      const begun: Array<string> = []
      const First = Task.make("first", { success: Schema.Int })
      const Second = Task.make("second", { payload: { n: Schema.Int }, error: Lost })
      const Both = Pipeline.make("both").pipe(
        Pipeline.stage("first", First, { input: () => ({}) }),
        Pipeline.stage("second", Second, { after: ["first"], input: ({ first }) => ({ n: first }) })
      )
      const handlers = Layer.mergeAll(
        First.toLayer(() => Effect.sync(() => begun.push("first"))),
        Second.toLayer(({ n }) =>
          Effect.suspend(() =>
            begun.push(`second ${n}`) === 2 ? JobAttempt.snooze("10 seconds", "not yet") : Effect.void
          )
        )
      )
      const { id } = yield* JobQueue.enqueue(Both, {})
      yield* Effect.gen(function*() {
        yield* reaches(id, "scheduled")
        yield* pass(11)
        const done = yield* reaches(id, "completed")
        assert.deepStrictEqual(done.report?.stages?.map(({ stage, status }) => [stage, status]), [
          ["both/first", "completed"],
          ["both/second", "completed"]
        ])
      }).pipe(Effect.provide(
        JobWorker.layer({ queues: { default: {} }, drain, tasks: [Both] }).pipe(
          Layer.provide(handlers),
          Layer.provide(MemoryCheckpointStore.layer())
        )
      ))
      assert.deepStrictEqual(begun, ["first", "second 1", "second 1"])
    }).pipe(Effect.provide(store)))
})

/** Runs one job whose handler is given, and gives it when it has come to rest. */
const once = <R>(handler: Effect.Effect<void, Lost, R>, ...states: ReadonlyArray<string>) =>
  Effect.gen(function*() {
    const { id } = yield* JobQueue.enqueue(Work, {})
    return yield* reaches(id, ...states).pipe(
      Effect.provide(
        JobWorker.layer({ queues: { default: {} }, drain, tasks: [Work] }).pipe(
          Layer.provide(Work.toLayer(() => handler))
        )
      )
    )
  })

describe("JobAttempt", () => {
  it.effect("snooze has the job run again later and spends no attempt", () =>
    Effect.gen(function*() {
      const job = yield* once(JobAttempt.snooze("90 seconds", "the invoice is not final yet"), "scheduled")
      assert.deepInclude(job, { attempt: 0 })
      assert.include(job.reason, "the invoice is not final yet")
      assert.strictEqual(job.runAt!.epochMilliseconds, 90_000)
    }).pipe(Effect.provide(store)))

  it.effect("discard ends the job whatever attempts it has left", () =>
    Effect.gen(function*() {
      const job = yield* once(JobAttempt.discard("the account is gone"), "discarded")
      assert.strictEqual(job.failure?.message, "the account is gone")
    }).pipe(Effect.provide(store)))

  const told: Array<unknown> = []

  it.effect("progress is seen while the job runs, the last word of a second at once with the others", () =>
    Effect.gen(function*() {
      const go = yield* Latch.make()
      const handler = Effect.gen(function*() {
        for (let n = 1; n <= 100; n++) yield* JobAttempt.progress({ n })
        yield* Effect.repeat(Effect.yieldNow, { times: 10 })
        for (let n = 101; n <= 200; n++) yield* JobAttempt.progress({ n })
        yield* go.await
      })
      const { id } = yield* JobQueue.enqueue(Work, {})
      yield* Effect.gen(function*() {
        yield* until("it said something", Effect.map(job(id), ({ progress }) => progress !== null))
        yield* pass(2, 0.25)
        assert.deepStrictEqual((yield* job(id)).progress, { n: 200 })
        yield* go.open
        yield* reaches(id, "completed")
      }).pipe(
        Effect.provide(
          JobWorker.layer({ queues: { default: {} }, drain, tasks: [Work] }).pipe(
            Layer.provide(Work.toLayer(() => handler))
          )
        )
      )
      assert.isAtMost(told.length, 4)
    }).pipe(Effect.provide(changed((jobs) => ({
      progress: (member, said) => {
        told.push(said.map(({ value }) => value))
        return jobs.progress(member, said)
      }
    })))))

  it.effect("a step is done once for a job, however often it is attempted", () =>
    Effect.gen(function*() {
      const done: Array<string> = []
      const Steps = Task.make("steps", { error: Lost, retry: Schedule.recurs(3), success: Schema.String })
      const live = Steps.toLayer(() =>
        Effect.gen(function*() {
          const charged = yield* Effect.orDie(JobAttempt.step(
            "charge",
            Schema.DateTimeUtc,
            Effect.sync(() => {
              done.push("charge")
              return DateTime.makeUnsafe(7)
            })
          ))
          const { number } = yield* Attempt.Attempt
          if (number < 3) return yield* new Lost({ code: number })
          return DateTime.formatIso(charged)
        })
      )
      const { id } = yield* JobQueue.enqueue(Steps, {})
      const ended = yield* reaches(id, "completed").pipe(
        Effect.provide(
          JobWorker.layer({ queues: { default: {} }, drain, tasks: [Steps] }).pipe(
            Layer.provide(live),
            Layer.provide(MemoryCheckpointStore.layer())
          )
        )
      )
      assert.deepStrictEqual(done, ["charge"])
      assert.deepInclude(ended, { attempt: 3, output: "1970-01-01T00:00:00.007Z" })
    }).pipe(Effect.provide(store)))

  it.effect("a durable sleep holds no slot and spends no attempt; behind it the job goes on once", () =>
    Effect.gen(function*() {
      const events: Array<string> = []
      const handler = Effect.gen(function*() {
        events.push("before")
        yield* Effect.orDie(JobAttempt.sleep("a while", "2 minutes"))
        events.push("behind")
      })
      const { id } = yield* JobQueue.enqueue(Work, {})
      yield* Effect.gen(function*() {
        const worker = yield* JobWorker.JobWorker
        yield* reaches(id, "scheduled")
        assert.strictEqual((yield* worker.status).queues["default"]?.running, 0)
        yield* pass(119)
        assert.deepStrictEqual(events, ["before"])
        yield* pass(2)
        assert.deepInclude(yield* reaches(id, "completed"), { attempt: 1 })
      }).pipe(Effect.provide(
        JobWorker.layer({ queues: { default: {} }, drain, tasks: [Work] }).pipe(
          Layer.provide(Work.toLayer(() => handler)),
          Layer.provide(MemoryCheckpointStore.layer())
        )
      ))
      assert.deepStrictEqual(events, ["before", "before", "behind"])
    }).pipe(Effect.provide(store)))

  it.effect("rateLimited keeps the limit's key from starting and snoozes the job", () =>
    Effect.gen(function*() {
      const held: Array<unknown> = []
      const job = yield* Effect.provide(
        once(Effect.orDie(JobAttempt.rateLimited("forge", "github.com", "1 minute")), "scheduled"),
        changed((jobs) => ({
          limits: { ...jobs.limits, hold: (name, key, ms) => Effect.sync(() => void held.push([name, key, ms])) }
        }))
      )
      assert.deepStrictEqual(held, [["forge", "github.com", 60_000]])
      assert.deepInclude(job, { attempt: 0 })
    }).pipe(Effect.provide(store)))

  it.effect("outside of a job a step is its effect, a sleep a sleep, progress is heard by nobody, a snooze skips the run", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* JobAttempt.current, null)
      assert.strictEqual(yield* JobAttempt.step("one", Schema.Int, Effect.succeed(1)), 1)
      yield* JobAttempt.progress(1)
      const Later = Task.fn("later", {}, () => JobAttempt.snooze("1 hour", "not now"))
      const exit = yield* Effect.exit(Task.run(Later, {}))
      assert.include(Exit.isFailure(exit) ? Cause.pretty(exit.cause) : "", "TaskSkipped")
    }))
})
