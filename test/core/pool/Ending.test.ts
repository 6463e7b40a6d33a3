import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/testing/TestClock"
import { Task, TaskPool } from "ostinato"

class Slow extends Schema.TaggedError<Slow>()("Slow", {}) {}

class Unreadable extends Schema.TaggedError<Unreadable>()("Unreadable", {}) {}

const make = TaskPool.make({ name: "ending", capacity: 2, drain: 0 })
const turn = TestClock.adjust(0)

describe("the ends of submissions", () => {
  it.effect("S2.12 five minutes unless it says otherwise, then TaskTimeout", () =>
    Effect.gen(function*() {
      const pool = yield* make
      const usual = yield* pool.submit(Effect.never, { name: "usual" })
      const short = yield* pool.submit(Effect.never, { name: "short", timeout: "1 second" })
      yield* TestClock.adjust("1 second")
      assert.deepInclude(yield* Effect.flip(short.await), { _tag: "TaskTimeout", task: "short", timeoutMs: 1000 })
      const long = yield* pool.submit(Effect.never, { timeout: "1 hour" })
      yield* TestClock.adjust("298 seconds")
      assert.strictEqual(yield* usual.status, "running")
      yield* TestClock.adjust("1 second")
      assert.deepInclude(yield* Effect.flip(usual.await), { _tag: "TaskTimeout", task: "usual", timeoutMs: 300_000 })
      assert.strictEqual(yield* usual.status, "failed")
      yield* TestClock.adjust("50 minutes")
      assert.strictEqual(yield* long.status, "running")
    }))

  it.effect("S2.12 a task's own timeout takes the place of the pool's; that of the submission of both", () =>
    Effect.gen(function*() {
      const pool = yield* make
      const patient = Task.fn("ending.patient", { timeout: "1 hour" }, () => Effect.never)
      const own = yield* pool.submit(TaskPool.call(patient, {}))
      const cut = yield* pool.submit(TaskPool.call(patient, {}), { timeout: "2 seconds" })
      yield* TestClock.adjust("2 seconds")
      assert.deepInclude(yield* Effect.flip(cut.await), { task: "ending.patient", timeoutMs: 2000 })
      yield* TestClock.adjust("3597 seconds")
      assert.strictEqual(yield* own.status, "running")
      yield* TestClock.adjust("1 second")
      assert.deepInclude(yield* Effect.flip(own.await), { _tag: "TaskTimeout", timeoutMs: 3_600_000 })
    }))

  it.effect("S3.24 the limit of the pool, a failure and a slowness of the work's own are told apart", () =>
    Effect.gen(function*() {
      const pool = yield* make
      const tag = (work: Effect.Effect<never, { readonly _tag: string }>) =>
        Effect.gen(function*() {
          const handle = yield* pool.submit(work, { timeout: "2 seconds" })
          yield* TestClock.adjust("2 seconds")
          return (yield* Effect.flip(handle.await))._tag
        })
      const slow = Effect.timeoutOrElse(Effect.never, { duration: "1 second", orElse: () => Effect.fail(new Slow()) })
      assert.deepStrictEqual(
        [yield* tag(Effect.never), yield* tag(slow), yield* tag(Effect.fail(new Unreadable()))],
        ["TaskTimeout", "Slow", "Unreadable"]
      )
    }))

  it.effect("S2.11 S2.67 cancel, timeout and shutdown interrupt the work, and abort the signal of a promise", () =>
    Effect.gen(function*() {
      const pool = yield* TaskPool.make({ name: "ending", capacity: 4 })
      const aborted: Array<string> = []
      const promised = (name: string) => (signal: AbortSignal) =>
        new Promise<void>((resolve) => {
          signal.addEventListener("abort", () => {
            aborted.push(name)
            resolve()
          })
        })
      const interrupted = Effect.onInterrupt(Effect.never, () => Effect.sync(() => aborted.push("effect")))
      const cancelled = yield* pool.submit(promised("cancelled"))
      const late = yield* pool.submit(promised("late"), { timeout: "1 second" })
      yield* pool.submit(promised("shut down"))
      yield* pool.submit(interrupted)
      yield* turn
      assert.isTrue(yield* cancelled.cancel)
      assert.isFalse(yield* cancelled.cancel)
      assert.deepInclude(yield* Effect.flip(cancelled.await), { _tag: "TaskInterrupted", reason: "cancelled" })
      assert.strictEqual(yield* cancelled.status, "interrupted")
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* Effect.flip(late.await))._tag, "TaskTimeout")
      assert.deepStrictEqual(yield* pool.shutdown({ drain: 0 }), { completed: 0, interrupted: 2, abandoned: 0 })
      assert.deepStrictEqual(aborted, ["cancelled", "late", "shut down", "effect"])
    }))

  it.effect("work cancelled while it waits never begins, and who waits for it learns why", () =>
    Effect.gen(function*() {
      const pool = yield* TaskPool.make({ name: "ending", capacity: 1, drain: 0 })
      let begun = 0
      const work = Effect.andThen(Effect.sync(() => begun += 1), Effect.never)
      yield* pool.submit(work)
      yield* turn
      const waiting = yield* pool.submit(work, { name: "later" })
      const waiter = yield* Effect.forkChild(Effect.flip(waiting.await))
      yield* turn
      assert.strictEqual(yield* waiting.status, "waiting")
      assert.isTrue(yield* waiting.cancel)
      assert.deepInclude(yield* Fiber.join(waiter), { _tag: "TaskInterrupted", task: "later", reason: "cancelled" })
      yield* TestClock.adjust("5 minutes")
      assert.strictEqual(begun, 1)
    }))

  it.effect("work that cancels itself in its first step is interrupted at its next one", () =>
    Effect.gen(function*() {
      const pool = yield* make
      const steps: Array<string> = []
      const handle: TaskPool.Handle<void, never> = yield* pool.submit(
        Effect.suspend(() => {
          steps.push("first")
          return Effect.forkDetach(Effect.suspend(() => handle.cancel), { startImmediately: true })
        }).pipe(
          Effect.andThen(Effect.yieldNow),
          Effect.andThen(Effect.sync(() => void steps.push("second")))
        )
      )
      yield* turn
      assert.strictEqual(yield* handle.status, "interrupted")
      assert.deepStrictEqual(steps, ["first"])
      assert.deepInclude(yield* pool.figures, { running: 0, interrupted: 1 })
    }))

  it.effect("work that does not stop is abandoned after its grace, and its slot is free again", () =>
    Effect.gen(function*() {
      const pool = yield* TaskPool.make({ name: "ending", capacity: 1, grace: "2 seconds", drain: 0 })
      const stuck = yield* pool.submit(Effect.uninterruptible(Effect.sleep("1 hour")), { timeout: "1 second" })
      const next = yield* pool.submit(Effect.succeed("next"))
      yield* TestClock.adjust("2999 millis")
      assert.strictEqual(yield* next.status, "waiting")
      yield* TestClock.adjust("1 millis")
      assert.strictEqual((yield* Effect.flip(stuck.await))._tag, "TaskTimeout")
      assert.strictEqual(yield* next.await, "next")
      const { abandoned, failed, running } = yield* pool.figures
      assert.deepStrictEqual([abandoned, failed, running], [1, 1, 0])
      yield* TestClock.adjust("1 hour")
      assert.deepInclude(yield* pool.figures, { completed: 1, failed: 1, running: 0, free: 1 })
    }))

  const cases = {
    success: Effect.void,
    failure: Effect.fail("no"),
    defect: Effect.die("broken"),
    interruption: Effect.interrupt,
    timeout: Effect.never
  }
  for (const [how, body] of Object.entries(cases)) {
    it.effect(`S0.34 S2.68 what work acquired is released: ${how}`, () =>
      Effect.gen(function*() {
        const pool = yield* make
        const released: Array<string> = []
        const work = Effect.scoped(Effect.andThen(
          Effect.acquireRelease(Effect.void, () => Effect.sync(() => released.push(how))),
          body
        ))
        const handle = yield* pool.submit(work, { timeout: "1 second" })
        yield* TestClock.adjust("1 second")
        const exit = yield* Effect.exit(handle.await)
        assert.strictEqual(Exit.isSuccess(exit), how === "success")
        assert.deepStrictEqual(released, [how])
      }))
  }

  it.effect("run waits for the outcome, and interrupting it cancels the work, running or not", () =>
    Effect.gen(function*() {
      const pool = yield* TaskPool.make({ name: "ending", capacity: 1 })
      assert.strictEqual(yield* pool.run(Effect.succeed(42)), 42)
      const latch = yield* Latch.make()
      let interrupted = 0
      const work = Effect.onInterrupt(latch.await, () => Effect.sync(() => interrupted += 1))
      const fibers = yield* Effect.forEach([1, 2], () => Effect.forkChild(pool.run(work)))
      yield* turn
      assert.deepInclude(yield* pool.figures, { running: 1, waiting: 1 })
      // the one that waits first: it would begin in the slot of the other
      yield* Effect.forEach(fibers.toReversed(), Fiber.interrupt)
      assert.deepInclude(yield* pool.figures, { running: 0, waiting: 0, interrupted: 2 })
      assert.strictEqual(interrupted, 1)
    }))

  it.effect("many wait for one outcome, and one who leaves does not touch the work", () =>
    Effect.gen(function*() {
      const pool = yield* make
      const handle = yield* pool.submit(Effect.as(Effect.sleep("1 second"), "done"))
      const waiters = yield* Effect.forEach([1, 2, 3], () => Effect.forkChild(handle.await))
      yield* turn
      yield* Fiber.interrupt(waiters[0]!)
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(yield* Effect.forEach(waiters.slice(1), Fiber.join), ["done", "done"])
      assert.strictEqual(yield* handle.await, "done")
    }))
})
