import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Result from "effect/Result"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import { Dispatch, MemoryRunLog, RunLog, Sleeper, Task, TaskError } from "ostinato"

class Odd extends Schema.TaggedError<Odd>()("Odd", { n: Schema.Int }) {}
class Big extends Schema.TaggedError<Big>()("Big", { n: Schema.Int }) {}

const Value = Schema.Struct({ n: Schema.Int })
const Add = Task.fn("add", { payload: { n: Schema.Int }, success: Value }, ({ n }) => Effect.succeed({ n: n + 1 }))
const Twice = Task.fn("twice", { payload: { n: Schema.Int }, success: Value }, ({ n }) => Effect.succeed({ n: n * 2 }))
const Even = Task.fn(
  "even",
  { payload: { n: Schema.Int }, success: Value, error: Odd },
  ({ n }) => n % 2 === 0 ? Effect.succeed({ n }) : Effect.fail(new Odd({ n }))
)
const Small = Task.fn(
  "small",
  { payload: { n: Schema.Int }, success: Value, error: Big },
  ({ n }) => n < 10 ? Effect.succeed({ n }) : Effect.fail(new Big({ n }))
)
const after = (name: string, seconds: number, ended: Array<string>) =>
  Task.fn(name, { success: Schema.String, error: Odd }, () =>
    Effect.as(Effect.sleep(`${seconds} seconds`), name).pipe(
      Effect.onExit((exit) => Effect.sync(() => ended.push(`${name} ${Exit.isSuccess(exit) ? "done" : "interrupted"}`)))
    ))

const ints = { n: Schema.Int }
const options = { arbitrary: { runs: 50 } }

describe("Task combinators", () => {
  it.effect.prop(
    "S0.38 map with identity is the task, and two maps are the map of both",
    ints,
    ({ n }) =>
      Effect.gen(function*() {
        const plus = (value: { readonly n: number }) => ({ n: value.n + 3 })
        const times = (value: { readonly n: number }) => ({ n: value.n * 5 })
        assert.deepStrictEqual(
          yield* Effect.exit(Task.run(Task.map(Even, Value, (value) => value), { n })),
          yield* Effect.exit(Task.run(Even, { n }))
        )
        assert.deepStrictEqual(
          yield* Effect.exit(Task.run(Task.map(Task.map(Even, Value, plus), Value, times), { n })),
          yield* Effect.exit(Task.run(Task.map(Even, Value, (value) => times(plus(value))), { n }))
        )
      }),
    options
  )

  it.effect.prop(
    "S0.37 S0.38 andThen hands the value on, is associative, and a failure of the first skips the second",
    ints,
    ({ n }) =>
      Effect.gen(function*() {
        const left = Task.andThen(Task.andThen(Add, Even), Twice)
        const right = Task.andThen(Add, Task.andThen(Even, Twice))
        const exit = yield* Effect.exit(Task.run(left, { n }))
        assert.deepStrictEqual(exit, yield* Effect.exit(Task.run(right, { n })))
        assert.deepStrictEqual(
          exit,
          (n + 1) % 2 === 0 ? Exit.succeed({ n: (n + 1) * 2 }) : Exit.fail(new Odd({ n: n + 1 }))
        )
      }),
    options
  )

  it("S0.37 the shapes of andThen have to fit, and a task is no thenable", () => {
    const Word = Task.fn("word", { payload: { word: Schema.String } }, () => Effect.void)
    // @ts-expect-error -- Add gives { n }, Word wants { word }
    Task.andThen(Add, Word)
    // @ts-expect-error -- an error that is not declared
    // @effect-diagnostics-next-line missingEffectError:off
    Task.fn("undeclared", { error: Odd }, () => Effect.fail(new Big({ n: 1 })))
    assert.notProperty(Add, "then")
  })

  it("S0.35 the error of a composed task is exactly the union of its members' and their timeouts", () => {
    const both = Task.andThen(Even, Small)
    const run = Task.run(both, { n: 1 })
    const handled: Effect.Effect<{ readonly n: number }, TaskError.TaskTimeout> = Effect.catchTags(run, {
      Odd: (error) => Effect.succeed({ n: error.n }),
      Big: (error) => Effect.succeed({ n: error.n })
    })
    // @ts-expect-error -- no member declares an error with this tag
    Effect.catchTag(run, "Unheard", () => Effect.void)
    assert.isTrue(Effect.isEffect(handled))
  })

  it("S0.38 a task without its handler does not run", () => {
    const Unbound = Task.make("unbound")
    // @ts-expect-error -- the handler of Unbound is missing
    // @effect-diagnostics-next-line missingEffectContext:off
    const program: Effect.Effect<void, TaskError.TaskTimeout> = Task.run(Task.map(Unbound, Schema.Void, () => {}), {})
    assert.isTrue(Effect.isEffect(program))
  })

  it.effect("S0.38 zip gives each its own payload and runs both at once", () =>
    Effect.gen(function*() {
      const ended: Array<string> = []
      const fiber = yield* Effect.forkChild(Task.run(Task.zip(after("a", 1, ended), after("b", 1, ended)), [{}, {}]))
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(yield* Fiber.join(fiber), ["a", "b"])
      assert.deepStrictEqual(yield* Task.run(Task.zip(Add, Twice), [{ n: 1 }, { n: 5 }]), [{ n: 2 }, { n: 10 }])
    }))

  it.effect("S0.38 race gives the first success and has interrupted the loser by then", () =>
    Effect.gen(function*() {
      const ended: Array<string> = []
      const fiber = yield* Effect.forkChild(Task.run(Task.race(after("slow", 9, ended), after("fast", 1, ended)), {}))
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* Fiber.join(fiber), "fast")
      assert.deepStrictEqual(ended, ["fast done", "slow interrupted"])
      assert.deepStrictEqual(yield* Task.run(Task.race(Even, Twice), { n: 3 }), { n: 6 })
    }))

  it.effect("S0.38 fallback runs the second with the same payload where the first one fails, and not for a defect", () =>
    Effect.gen(function*() {
      const either = Task.fallback(Even, Twice)
      assert.deepStrictEqual(yield* Task.run(either, { n: 4 }), { n: 4 })
      assert.deepStrictEqual(yield* Task.run(either, { n: 3 }), { n: 6 })
      assert.deepStrictEqual(yield* Effect.flip(Task.run(Task.fallback(Even, Small), { n: 11 })), new Big({ n: 11 }))
      const Broken = Task.fn("broken", { payload: ints }, () => Effect.die("bug"))
      assert.isTrue(Exit.hasDies(yield* Effect.exit(Task.run(Task.fallback(Broken, Twice), { n: 1 }))))
    }))

  it.effect("S0.38 retry and timeout apply to a composed task as a whole, and to each member on its own", () =>
    Effect.gen(function*() {
      let calls = 0
      const Flaky = Task.fn(
        "flaky",
        { success: Schema.Int, error: Odd },
        () => Effect.suspend(() => (calls += 1) < 3 ? Effect.fail(new Odd({ n: calls })) : Effect.succeed(calls))
      )
      assert.strictEqual(yield* Task.run(Task.retry(Flaky, Schedule.recurs(5)), {}), 3)
      calls = 0
      const whole = Task.retry(Task.map(Flaky, Schema.Int, (n) => n * 10), Schedule.recurs(5))
      assert.strictEqual(yield* Task.run(whole, {}), 30)
      const Never = Task.fn("never", {}, () => Effect.never)
      const fiber = yield* Effect.forkChild(Effect.flip(Task.run(Task.timeout(Never, "1 minute"), {})))
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(yield* Fiber.join(fiber), new TaskError.TaskTimeout({ task: "never", timeoutMs: 60_000 }))
    }))

  it.effect("S0.25 three tasks of a second, side by side, take a second", () =>
    Effect.gen(function*() {
      const ended: Array<string> = []
      const three = Task.all({ a: after("a", 1, ended), b: after("b", 1, ended), c: after("c", 1, ended) })
      const fiber = yield* Effect.forkChild(Task.run(three, { a: {}, b: {}, c: {} }))
      yield* TestClock.adjust("999 millis")
      assert.isUndefined(fiber.pollUnsafe())
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual(yield* Fiber.join(fiber), { a: "a", b: "b", c: "c" })
    }))

  it.effect("S0.27 failFast interrupts the siblings within the same instant, and their finalizers have run", () =>
    Effect.gen(function*() {
      const ended: Array<string> = []
      const fails = Task.fn("fails", { error: Odd }, () => Effect.fail(new Odd({ n: 1 })))
      const some = Task.all({ slow: after("slow", 60, ended), fails: Task.retry(fails, Schedule.recurs(0)) })
      assert.deepStrictEqual(yield* Effect.flip(Task.run(some, { slow: {}, fails: {} })), new Odd({ n: 1 }))
      assert.deepStrictEqual(ended, ["slow interrupted"])
    }))

  it.effect("S0.26 S0.27 collect runs all to their end: a line for each failure, one for the whole, a partial run", () => {
    const lines: Array<string> = []
    const logger = Logger.make(({ message }) => void lines.push(String(message)))
    const Broken = Task.fn("broken", {}, () => Effect.die(new Error("bug")))
    const Three = Task.all({ good: Add, odd: Even, broken: Broken }, { mode: "collect", name: "three" })
    return Effect.gen(function*() {
      const log = yield* RunLog.RunLog
      const run = yield* Dispatch.here(Three, { good: { n: 1 }, odd: { n: 1 }, broken: {} }, { kind: "code" })
      const value = yield* run.await
      assert.deepStrictEqual(value.good, Result.succeed({ n: 2 }))
      assert.deepStrictEqual(value.odd, Result.fail(new Odd({ n: 1 })))
      assert.isTrue(Result.isFailure(value.broken) && value.broken.failure._tag === "TaskDefect")
      assert.strictEqual(lines.filter((line) => line.startsWith("odd: even failed: Odd")).length, 1)
      assert.strictEqual(lines.filter((line) => line.startsWith("broken: broken failed: Error: bug")).length, 1)
      assert.strictEqual(lines.filter((line) => line === "all.completed").length, 1)
      const recorded = yield* log.get(run.id)
      assert.deepStrictEqual([recorded?.status, recorded?.items], [
        "partial",
        { succeeded: 1, failed: 2, summary: "1 of 3 tasks" }
      ])
    }).pipe(Effect.provide(Layer.merge(MemoryRunLog.layer(), Logger.layer([logger]))))
  })

  it.effect("S3.46 a bounded all never runs more than it may at once", () =>
    Effect.gen(function*() {
      let running = 0
      let most = 0
      const one = Task.fn("one", {}, () =>
        Effect.acquireUseRelease(
          Effect.sync(() => most = Math.max(most, running += 1)),
          () => Effect.sleep("1 second"),
          () => Effect.sync(() => running -= 1)
        ))
      const fiber = yield* Effect.forkChild(
        Task.run(Task.all({ a: one, b: one, c: one, d: one, e: one }, { concurrency: 2 }), {
          a: {},
          b: {},
          c: {},
          d: {},
          e: {}
        })
      )
      yield* TestClock.adjust("3 seconds")
      yield* Fiber.join(fiber)
      assert.deepStrictEqual([running, most], [0, 2])
    }))

  it.effect("S3.46 a loser that does not let itself be interrupted is abandoned after its grace", () =>
    Effect.gen(function*() {
      const gate = yield* Deferred.make<string>()
      const Stuck = Task.fn(
        "stuck",
        { success: Schema.String, grace: "2 seconds" },
        () => Effect.uninterruptible(Deferred.await(gate))
      )
      const Quick = Task.fn("quick", { success: Schema.String }, () => Effect.succeed("quick"))
      const fiber = yield* Effect.forkChild(Task.run(Task.race(Stuck, Quick), {}))
      yield* TestClock.adjust("1999 millis")
      assert.isUndefined(fiber.pollUnsafe())
      yield* TestClock.adjust("1 millis")
      assert.strictEqual(yield* Fiber.join(fiber), "quick")
    }))

  it.effect("S3.46 members that are waited for when the scope closes are interrupted, and their finalizers have run", () =>
    Effect.gen(function*() {
      const ended: Array<string> = []
      const scope = yield* Scope.make()
      const waiting = Task.run(Task.zip(after("a", 60, ended), after("b", 60, ended)), [{}, {}])
      yield* Scope.provide(Effect.forkScoped(waiting, { startImmediately: true }), scope)
      yield* Effect.yieldNow
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual(ended.sort(), ["a interrupted", "b interrupted"])
    }))

  it.effect("S3.46 a member that died gives its Cause, and the others are settled by then", () =>
    Effect.gen(function*() {
      const ended: Array<string> = []
      const Broken = Task.fn("broken", {}, () => Effect.die("bug"))
      const exit = yield* Effect.exit(Task.run(Task.zip(after("a", 60, ended), Broken), [{}, {}]))
      assert.isTrue(Exit.hasDies(exit))
      assert.deepStrictEqual(ended, ["a interrupted"])
    }))

  it.effect("S3.46 a sleep ends when it is over, when it is woken, and when its scope closes", () =>
    Effect.gen(function*() {
      const sleeper = yield* Sleeper.make
      const over = yield* Effect.forkChild(sleeper.sleep("1 hour"))
      yield* TestClock.adjust("1 hour")
      assert.strictEqual(yield* Fiber.join(over), "over")
      const woken = yield* Effect.forkChild(sleeper.sleep("1 hour"), { startImmediately: true })
      yield* sleeper.wake
      assert.strictEqual(yield* Fiber.join(woken), "woken")
      // a wake that finds nobody asleep is not lost
      yield* sleeper.wake
      yield* sleeper.wake
      assert.strictEqual(yield* sleeper.sleep("1 hour"), "woken")
      const asleep = yield* Effect.forkChild(sleeper.sleep("1 hour"), { startImmediately: true })
      yield* Fiber.interrupt(asleep)
      assert.isTrue(Exit.hasInterrupts(yield* Fiber.await(asleep)))
    }))

  it.effect("S0.30 sequential code infers the union of the errors of what it calls", () => {
    const work = Effect.gen(function*() {
      const even = yield* Task.run(Even, { n: 2 })
      const small = yield* Task.run(Small, even)
      return small.n
    })
    const typed: Effect.Effect<number, Odd | Big | TaskError.TaskTimeout> = work
    return Effect.map(typed, (n) => assert.strictEqual(n, 2))
  })
})
