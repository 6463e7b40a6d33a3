import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/testing/TestClock"
import { Attempt, Dispatch, Interceptor, MemoryRunLog, RunContext, RunLog, Task, TaskError } from "ostinato"

class Lost extends Schema.TaggedError<Lost>()("Lost", {}) {}

const Work = Task.make("work", { success: Schema.String, error: Lost, timeout: "1 minute", grace: "2 seconds" })

const here = Dispatch.here(Work, {}, { kind: "code" })

const only = Effect.flatMap(
  RunLog.RunLog,
  (log) => Effect.flatMap(log.list({ limit: 1 }), ([run]) => Effect.fromNullishOr(run))
)

/** Starts the run and waits until its handler works. */
const begun = Effect.fnUntraced(
  function*<R>(live: (open: Effect.Effect<boolean>) => Layer.Layer<Task.Handler<"work">, never, R>) {
    const working = yield* Latch.make()
    const fiber = yield* Effect.forkChild(
      Effect.exit(Effect.flatMap(here, (run) => run.await)).pipe(Effect.provide(live(working.open)))
    )
    yield* working.await
    return { fiber, run: yield* only }
  }
)

/** Says in which state the run was when the attempt's Scope closed. */
const whenReleased = (events: Array<string>) =>
  Effect.flatMap(
    Effect.all([Attempt.Attempt, RunLog.RunLog]),
    ([{ runId }, log]) =>
      Effect.addFinalizer(() =>
        Effect.map(Effect.orDie(log.get(runId)), (run) => void events.push(`released while ${run?.status}`))
      )
  )

describe("a run", () => {
  it.effect("whose handler interrupts itself interrupts nobody who waits for it", () =>
    Effect.gen(function*() {
      const itself = Work.toLayer(() => Effect.interrupt)
      const exit = yield* Effect.exit(Effect.flatMap(here, (run) => run.await)).pipe(Effect.provide(itself))
      assert.deepStrictEqual(exit, Exit.fail(new TaskError.TaskInterrupted({ task: "work", reason: null })))
      assert.strictEqual((yield* only).status, "interrupted")
    }).pipe(Effect.provide(MemoryRunLog.layer())))

  it.effect("whose handler left something running ends once: what that says later is not in its record", () =>
    Effect.gen(function*() {
      const log = yield* RunLog.RunLog
      const late = Effect.delay(Effect.logInfo("late"), "1 second")
      const leaving = Work.toLayer(() =>
        Effect.as(Effect.andThen(Effect.logInfo("at work"), Effect.forkDetach(late)), "left")
      )
      const { id } = yield* Effect.provide(here, leaving)
      yield* TestClock.adjust("1 second")
      const details = yield* log.details(id)
      assert.deepStrictEqual(details?.logs.map(({ message }) => message), ["at work"])
    }).pipe(Effect.provide(MemoryRunLog.layer())))

  it.effect("S2.66 a finalizer that breaks when its attempt is asked to stop is told, and the outcome stays", () => {
    const told: Array<string> = []
    const logger = Logger.make(({ cause, message }) => {
      if (Cause.hasDies(cause)) told.push(`${String(message)}: ${Cause.pretty(cause)}`)
    })
    return Effect.gen(function*() {
      const stuck = Work.toLayer(() =>
        Effect.andThen(Effect.addFinalizer(() => Effect.die(new Error("connection lost"))), Effect.never)
      )
      const fiber = yield* Effect.forkChild(
        Effect.flip(Effect.flatMap(here, (run) => run.await)).pipe(Effect.provide(stuck))
      )
      yield* TestClock.adjust("1 minute")
      assert.deepInclude(yield* Fiber.join(fiber), { _tag: "TaskTimeout", timeoutMs: 60_000 })
      assert.strictEqual(told.length, 1)
      assert.match(told[0] ?? "", /^attempt 1 of task work broke while it stopped: .*connection lost/s)
    }).pipe(Effect.provide([MemoryRunLog.layer(), Logger.layer([logger])]))
  })

  it.effect("D.9 that is cancelled ends as cancelled with actor and reason, after its finalizers, and nobody else is interrupted", () =>
    Effect.gen(function*() {
      const log = yield* RunLog.RunLog
      const events: Array<string> = []
      const { fiber, run } = yield* begun((open) =>
        Work.toLayer(() =>
          Effect.andThen(
            whenReleased(events),
            Effect.andThen(open, Effect.never)
          )
        )
      )
      assert.strictEqual(yield* log.cancel(run.id, { actor: "ada", reason: "wrong branch" }), "requested")
      const exit = yield* Fiber.join(fiber)
      assert.deepStrictEqual(
        exit,
        Exit.fail(new TaskError.TaskInterrupted({ task: "work", reason: "cancelled by ada: wrong branch" }))
      )
      assert.deepStrictEqual(events, ["released while running"])
      const ended = yield* only
      assert.strictEqual(ended.status, "cancelled")
      assert.deepStrictEqual(ended.cancellation, { actor: "ada", reason: "wrong branch" })
      assert.strictEqual(yield* log.cancel(run.id, { actor: "bob", reason: null }), "ended")
    }).pipe(Effect.provide(MemoryRunLog.layer())))

  it.effect("D.9 that is cancelled and does not stop is abandoned after its grace", () =>
    Effect.gen(function*() {
      const log = yield* RunLog.RunLog
      const gate = yield* Deferred.make<string>()
      const { fiber, run } = yield* begun((open) =>
        Work.toLayer(() => Effect.uninterruptible(Effect.andThen(open, Deferred.await(gate))))
      )
      yield* log.cancel(run.id, { actor: null, reason: null })
      yield* TestClock.adjust("1999 millis")
      assert.strictEqual((yield* only).status, "running")
      yield* TestClock.adjust("1 millis")
      yield* Fiber.join(fiber)
      assert.strictEqual((yield* only).status, "cancelled")
    }).pipe(Effect.provide(MemoryRunLog.layer())))

  const endings: Record<string, {
    readonly body: Effect.Effect<string, Lost, Attempt.Attempt>
    readonly status: string
    readonly end?: (fiber: Fiber.Fiber<unknown>) => Effect.Effect<unknown, RunLog.RunLogUnavailable, RunLog.RunLog>
  }> = {
    success: { body: Effect.succeed("done"), status: "completed" },
    failure: { body: Effect.fail(new Lost()), status: "failed" },
    defect: { body: Effect.die(new Error("bug")), status: "failed" },
    timeout: { body: Effect.never, status: "failed", end: () => TestClock.adjust("1 minute") },
    interruption: { body: Effect.never, status: "interrupted", end: Fiber.interrupt },
    cancellation: {
      body: Effect.never,
      status: "cancelled",
      end: () =>
        Effect.flatMap(
          Effect.all([RunLog.RunLog, Effect.orDie(only)]),
          ([log, run]) => log.cancel(run.id, { actor: null, reason: null })
        )
    },
    skip: { body: Attempt.skip("lock held"), status: "skipped" }
  }
  for (const [how, { body, end, status }] of Object.entries(endings)) {
    it.effect(`S0.34 D.4 releases what it acquired once, before its outcome is recorded: ${how}`, () =>
      Effect.gen(function*() {
        const events: Array<string> = []
        const { fiber } = yield* begun((open) =>
          Work.toLayer(() =>
            Effect.andThen(
              Effect.andThen(whenReleased(events), open),
              body
            )
          )
        )
        if (end !== undefined) yield* end(fiber)
        yield* Fiber.await(fiber)
        assert.deepStrictEqual(events, ["released while running"])
        assert.strictEqual((yield* only).status, status)
      }).pipe(Effect.provide(MemoryRunLog.layer())))

    it.effect(`D.4 a finalizer that hangs is bounded by the grace: ${how}`, () =>
      Effect.gen(function*() {
        const { fiber } = yield* begun((open) =>
          Work.toLayer(() => Effect.andThen(Effect.acquireRelease(open, () => Effect.never), body))
        )
        const ending = yield* Effect.forkChild(end?.(fiber) ?? Effect.void)
        yield* TestClock.adjust("1 minute")
        yield* TestClock.adjust("2 seconds")
        yield* Fiber.join(ending)
        yield* Fiber.await(fiber)
        assert.isNotNull((yield* only).finishedAt)
      }).pipe(Effect.provide(MemoryRunLog.layer())))
  }

  const instants = {
    "while the log accepts it": (begin: Effect.Effect<RunLog.Begun, RunLog.RunLogUnavailable>) =>
      Effect.tap(begin, () => interruptSelf),
    "when the log has accepted it": (begin: Effect.Effect<RunLog.Begun, RunLog.RunLogUnavailable>) =>
      Effect.uninterruptible(Effect.tap(begin, () => interruptSelf))
  }
  const interruptSelf = Effect.withFiber((fiber) => Effect.sync(() => fiber.interruptUnsafe()))
  for (const [when, begin] of Object.entries(instants)) {
    it.effect(`that is interrupted just ${when} begins nothing, and does not stay open`, () => {
      let calls = 0
      const interrupting = Layer.effect(
        RunLog.RunLog,
        Effect.map(RunLog.RunLog, (log) => RunLog.RunLog.of({ ...log, begin: (run) => begin(log.begin(run)) }))
      ).pipe(Layer.provide(MemoryRunLog.layer()))
      return Effect.gen(function*() {
        const live = Work.toLayer(() => Effect.sync(() => String(calls += 1)))
        const fiber = yield* Effect.forkChild(Effect.provide(here, live))
        assert.isTrue(Exit.hasInterrupts(yield* Fiber.await(fiber)))
        assert.deepStrictEqual([(yield* only).status, calls], ["interrupted", 0])
      }).pipe(Effect.provide(interrupting))
    })
  }

  it.effect("S1.O2 that has nothing to do is skipped with its reason, is not retried, and fails typed for who waits", () =>
    Effect.gen(function*() {
      let calls = 0
      const Locked = Task.fn("locked", { retry: Schedule.recurs(3) }, () =>
        Effect.suspend(() => {
          calls += 1
          return Attempt.skip("lock held")
        }))
      const run = yield* Dispatch.here(Locked, {}, { kind: "code" })
      assert.deepStrictEqual(
        yield* Effect.flip(run.await),
        new TaskError.TaskSkipped({ task: "locked", reason: "lock held" })
      )
      const recorded = yield* only
      assert.deepStrictEqual([recorded.status, recorded.failure?.message, calls], [
        "skipped",
        "task locked was skipped: lock held",
        1
      ])
    }).pipe(Effect.provide(MemoryRunLog.layer())))

  it.effect("S1.O2 S1.25 whose items failed in part is partial, with counts and a summary", () =>
    Effect.gen(function*() {
      const Items = Task.fn("items", {}, () => Attempt.report({ succeeded: 3, failed: 1, summary: "3 of 4" }))
      yield* Dispatch.here(Items, {}, { kind: "code" })
      const recorded = yield* only
      assert.deepStrictEqual([recorded.status, recorded.items], ["partial", {
        succeeded: 3,
        failed: 1,
        summary: "3 of 4"
      }])
    }).pipe(Effect.provide(MemoryRunLog.layer())))

  it.effect("D.11 carries tenant and actor into its attempts, its record and the runs that it starts", () =>
    Effect.gen(function*() {
      const Inner = Task.fn(
        "inner",
        { success: Schema.NullOr(Schema.String) },
        () => Effect.map(RunContext.RunContext, ({ actor }) => actor)
      )
      const Outer = Task.fn(
        "outer",
        { success: Schema.NullOr(Schema.String) },
        () => Effect.flatMap(Effect.orDie(Dispatch.here(Inner, {}, { kind: "code" })), (run) => Effect.orDie(run.await))
      )
      const run = yield* RunContext.within({ tenant: "acme", actor: "ada" })(Dispatch.here(Outer, {}, { kind: "code" }))
      assert.strictEqual(yield* run.await, "ada")
      const log = yield* RunLog.RunLog
      for (const recorded of yield* log.list({ tenant: "acme" })) {
        assert.deepStrictEqual(recorded.origin, { tenant: "acme", actor: "ada" })
      }
      assert.strictEqual((yield* log.list({ tenant: "acme" })).length, 2)
      assert.deepStrictEqual(yield* log.list({ tenant: "other" }), [])
    }).pipe(Effect.provide(MemoryRunLog.layer())))

  it.effect("D.11 a handler whose Layer was built in somebody's name runs in the name of who asked for the run", () =>
    Effect.gen(function*() {
      const live = Work.toLayer(() => Effect.map(RunContext.RunContext, ({ actor }) => String(actor)))
      const built = yield* RunContext.within({ actor: "builder" })(Layer.build(live))
      const run = yield* RunContext.within({ actor: "ada" })(Effect.provideContext(here, built))
      assert.strictEqual(yield* run.await, "ada")
    }).pipe(Effect.provide(MemoryRunLog.layer())))

  it.effect("D.11 interceptors wrap every attempt in declared order and see success, failure and interruption", () => {
    const seen: Array<string> = []
    const watch = (name: string): Interceptor.Interceptor => (attempt, { attempt: number, task }) =>
      Effect.onExit(
        Effect.andThen(Effect.sync(() => seen.push(`${name} ${task} ${number}`)), attempt),
        (exit) =>
          Effect.sync(() =>
            seen.push(`${name} ${Exit.isSuccess(exit) ? "ok" : Exit.hasInterrupts(exit) ? "interrupted" : "failed"}`)
          )
      )
    const layer = Interceptor.layer(watch("outer"), watch("inner"))
    const Flaky = Task.fn(
      "flaky",
      { error: Lost, retry: Schedule.recurs(1) },
      () => Effect.flatMap(Attempt.Attempt, ({ number }) => number === 1 ? Effect.fail(new Lost()) : Effect.void)
    )
    const Never = Task.fn("never", {}, () => Effect.never)
    return Effect.gen(function*() {
      yield* Dispatch.here(Flaky, {}, { kind: "code" })
      const first = ["outer flaky 1", "inner flaky 1", "inner failed", "outer failed"]
      const second = ["outer flaky 2", "inner flaky 2", "inner ok", "outer ok"]
      assert.deepStrictEqual(seen.splice(0), [...first, ...second])
      const fiber = yield* Effect.forkChild(Dispatch.here(Never, {}, { kind: "code" }), { startImmediately: true })
      yield* Effect.yieldNow
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual(seen.slice(-2), ["inner interrupted", "outer interrupted"])
    }).pipe(Effect.provide([layer, MemoryRunLog.layer()]))
  })

  it.effect("D.11 interceptors reach the members of a composed task", () => {
    const seen: Array<string> = []
    const layer = Interceptor.layer((attempt, { task }) => Effect.andThen(Effect.sync(() => seen.push(task)), attempt))
    const A = Task.fn("a", { success: Schema.Struct({}) }, () => Effect.succeed({}))
    const B = Task.fn("b", {}, () => Effect.void)
    return Effect.gen(function*() {
      yield* Dispatch.here(Task.andThen(A, B), {}, { kind: "code" })
      assert.deepStrictEqual(seen, ["a > b", "a", "b"])
    }).pipe(Effect.provide([layer, MemoryRunLog.layer()]))
  })

  it.effect("keeps what its handler logs and how its attempts fared, the newest where there is too much", () =>
    Effect.gen(function*() {
      const log = yield* RunLog.RunLog
      const Chatty = Task.fn(
        "chatty",
        { error: Lost, retry: Schedule.recurs(150) },
        () =>
          Effect.flatMap(Attempt.Attempt, ({ number }) =>
            Effect.andThen(
              Effect.forEach([1, 2, 3], (n) => Effect.logInfo(`attempt ${number} line ${n} ${"x".repeat(5000)}`)),
              number <= 150 ? Effect.fail(new Lost()) : Effect.void
            ))
      )
      const run = yield* Dispatch.here(Chatty, {}, { kind: "code" })
      const details = yield* log.details(run.id)
      assert.strictEqual(details?.logs.length, 200)
      assert.isTrue(details?.logs.at(-1)?.message.startsWith("attempt 151 line 3"))
      assert.isTrue(details?.logs.every((line) => line.message.length <= 2000))
      assert.strictEqual(details?.attempts.length, 100)
      assert.deepStrictEqual([details?.attempts[0]?.number, details?.attempts[0]?.failure?.tag], [52, "Lost"])
      assert.deepStrictEqual([details?.attempts.at(-1)?.number, details?.attempts.at(-1)?.failure], [151, null])
    }).pipe(Effect.provide(MemoryRunLog.layer())))

  it.effect("S3.24 tells timeout, own failure, defect, interruption and skip apart as values of one closed catalogue", () =>
    Effect.gen(function*() {
      const cases = {
        Lost: Exit.fail(new Lost()),
        TaskDefect: Exit.die(new Error("bug")),
        TaskInterrupted: Exit.interrupt(1),
        TaskSkipped: Exit.die(new TaskError.TaskSkipped({ task: "work", reason: "off" }))
      }
      for (const [tag, exit] of Object.entries(cases)) {
        const result = TaskError.settle("work", exit)
        assert.strictEqual(result._tag === "Failure" ? result.failure._tag : undefined, tag)
      }
      for (const member of TaskError.TaskError.members) {
        const tags = ["TaskTimeout", "TaskInterrupted", "TaskDefect", "TaskSkipped", "PayloadInvalid", "ResultInvalid"]
        assert.include(tags, member.fields._tag.schema.literal)
      }
      assert.strictEqual(TaskError.TaskError.members.length, 6)
      yield* Effect.void
    }))

  const bounds = [
    { by: "number", retention: { runs: 40, age: "2 days", details: "1 day" }, most: 40 },
    { by: "age", retention: { runs: 100, age: "2 days", details: "1 day" }, most: 49 }
  ] as const
  for (const { by, most, retention } of bounds) {
    it.effect(`D.8 a month of runs in memory is bounded by ${by}, and what is kept is still readable`, () =>
      Effect.gen(function*() {
        const log = yield* RunLog.RunLog
        const Small = Task.fn("small", {}, () => Effect.logInfo("hello"))
        const Stuck = Task.fn("stuck", {}, () => Effect.never)
        const stuck = yield* Effect.forkChild(Dispatch.here(Stuck, {}, { kind: "code" }))
        let seen = 0
        for (let hour = 0; hour < 30 * 24; hour++) {
          yield* Dispatch.here(Small, {}, { kind: "code" })
          yield* TestClock.adjust("1 hour")
          seen = Math.max(seen, (yield* log.list({ limit: 200, task: "small" })).length)
        }
        assert.strictEqual(seen, most)
        const runs = yield* log.list({ limit: 200, task: "small" })
        const details = yield* Effect.forEach(runs, (run) => log.details(run.id))
        assert.strictEqual(details.filter((details) => details?.logs[0]?.message === "hello").length, 25)
        assert.strictEqual((yield* log.list({ task: "stuck" })).length, 1)
        yield* Fiber.interrupt(stuck)
      }).pipe(Effect.provide(MemoryRunLog.layer({ retention }))))
  }
})
