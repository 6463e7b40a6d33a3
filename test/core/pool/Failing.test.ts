import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Metric from "effect/Metric"
import * as Schedule from "effect/Schedule"
import * as TestClock from "effect/testing/TestClock"
import { TaskPool } from "ostinato"
import { type Line, logging, traced } from "../pipeline/observed.ts"

const metric = (id: string, labels: Record<string, string>) =>
  Effect.map(
    Metric.snapshot,
    (all) =>
      all.find((one) =>
        one.id === id && Object.entries(labels).every(([key, value]) => one.attributes?.[key] === value)
      )?.state
  )

const boom = () => {
  throw new Error("boom")
}

const throws: Record<string, () => unknown> = {
  "a string": () => {
    throw "text"
  },
  "undefined": () => {
    throw undefined
  },
  "an error": boom,
  "a rejection": () => Promise.reject(new Error("late"))
}

describe("work that fails", () => {
  for (const [what, work] of Object.entries(throws)) {
    it.effect(`S0.32 S1.26 S2.8 S2.80 throwing ${what} is a defect that costs no slot: hook, counter, log`, () =>
      Effect.gen(function*() {
        const lines: Array<Line> = []
        const seen: Array<Cause.Cause<unknown>> = []
        const name = `failing ${what}`
        yield* Effect.gen(function*() {
          const pool = yield* TaskPool.make({
            name,
            capacity: 1,
            onDefect: (cause) => Effect.sync(() => void seen.push(cause))
          })
          const exit = yield* Effect.exit(pool.run(work, { name: "bad" }))
          assert.isTrue(Exit.isFailure(exit) && Cause.hasDies(exit.cause))
          assert.strictEqual(yield* pool.run(() => 42), 42)
          assert.deepInclude(yield* pool.figures, { running: 0, free: 1, failed: 1, defects: 1, completed: 1 })
        }).pipe(Effect.scoped, logging(lines))
        assert.lengthOf(seen, 1)
        if (what === "an error") assert.include(Cause.pretty(seen[0]!), "boom")
        assert.deepStrictEqual(
          lines.filter(({ level }) => level === "Error").map(({ annotations }) => annotations),
          [{ pool: name }]
        )
        const labels = { pool: name, task: "bad", kind: "defect" }
        assert.deepInclude(yield* metric("ostinato_pool_failed_total", labels), { count: 1 })
      }))
  }

  it.effect("S2.8 the hook gets the value that was thrown and its stack; a hook that breaks harms nothing", () =>
    Effect.gen(function*() {
      const seen: Array<string> = []
      const pool = yield* TaskPool.make({
        name: "hooked",
        capacity: 1,
        onDefect: (cause, task) => {
          const thrown = Cause.squash(cause)
          seen.push(`${task}: ${thrown instanceof Error ? thrown.stack : ""}`)
          return Effect.die("the hook broke")
        }
      })
      yield* Effect.exit(pool.run(boom, { name: "thrower" }))
      assert.match(seen.join(), /^thrower: Error: boom\n\s+at boom .*Failing\.test/)
      assert.strictEqual(yield* pool.run(async () => "next"), "next")
    }))

  it.effect("S2.66 S3.6 S3.43 a failure that nobody waits for reaches log and metric with the name of its task", () =>
    Effect.gen(function*() {
      const lines: Array<Line> = []
      yield* Effect.gen(function*() {
        const pool = yield* TaskPool.make({ name: "unheard", capacity: 1 })
        yield* pool.submit(Effect.fail("nobody waits"), { name: "lonely" })
        yield* TestClock.adjust(0)
        assert.deepInclude(yield* pool.figures, { failed: 1, defects: 0 })
      }).pipe(Effect.scoped, logging(lines))
      assert.include(lines.map(({ message }) => message), "task lonely failed: string: nobody waits")
      const labels = { pool: "unheard", task: "lonely", kind: "failure" }
      assert.deepInclude(yield* metric("ostinato_pool_failed_total", labels), { count: 1 })
    }))

  it.effect("S2.81 nothing is run again unless it says so; retry sees the error", () =>
    Effect.gen(function*() {
      const pool = yield* TaskPool.make({ name: "retrying", capacity: 1 })
      let runs = 0
      const work = Effect.suspend(() => Effect.fail(++runs))
      assert.strictEqual(yield* Effect.flip(pool.run(work)), 1)
      const retry = Schedule.recurs(3).pipe(Schedule.setInputType<number>())
      assert.strictEqual(yield* Effect.flip(pool.run(work, { retry })), 5)
    }))

  it.effect("S2.66 S2.8 work that breaks when its limit is over is TaskTimeout, and what broke reaches log and hook", () =>
    Effect.gen(function*() {
      const lines: Array<Line> = []
      const seen: Array<string> = []
      yield* Effect.gen(function*() {
        const pool = yield* TaskPool.make({
          name: "failing late",
          capacity: 1,
          onDefect: (cause, task) => Effect.sync(() => void seen.push(`${task}: ${Cause.pretty(cause)}`))
        })
        const work = Effect.onInterrupt(Effect.never, () => Effect.die(new Error("no way back")))
        const handle = yield* pool.submit(work, { name: "late", timeout: "1 second" })
        yield* TestClock.adjust("1 second")
        assert.deepInclude(yield* Effect.flip(handle.await), { _tag: "TaskTimeout", task: "late" })
        assert.deepInclude(yield* pool.figures, { running: 0, failed: 1 })
      }).pipe(Effect.scoped, logging(lines))
      assert.lengthOf(seen, 1)
      assert.match(seen[0] ?? "", /^late: .*no way back/s)
      assert.deepStrictEqual(
        lines.filter(({ level }) => level === "Error").map(({ message }) => message),
        ["task late broke while it stopped"]
      )
    }))

  it.effect("S2.65 longer than its soft limit: one warning and one count, and it goes on", () =>
    Effect.gen(function*() {
      const lines: Array<Line> = []
      yield* Effect.gen(function*() {
        const pool = yield* TaskPool.make({ name: "soft", capacity: 2, softTimeout: "1 second" })
        const handle = yield* pool.submit(Effect.as(Effect.sleep("1 minute"), "done"), { name: "slow" })
        yield* pool.submit(Effect.sleep("999 millis"), { name: "quick" })
        yield* TestClock.adjust("1 minute")
        assert.strictEqual(yield* handle.await, "done")
        assert.strictEqual((yield* pool.figures).slow, 1)
      }).pipe(Effect.scoped, logging(lines))
      assert.deepStrictEqual(
        lines.filter(({ level }) => level === "Warn").map(({ message }) => message),
        ["task slow runs longer than its soft limit of 1000 ms: make it smaller"]
      )
      assert.deepInclude(yield* metric("ostinato_pool_slow_total", { pool: "soft", task: "slow" }), { count: 1 })
    }))

  it.effect("S2.20 the loggers that are there when it is made get its events: refusals once in ten seconds, its end", () =>
    Effect.gen(function*() {
      const lines: Array<Line> = []
      const pool = yield* logging(lines)(
        TaskPool.make({ name: "told", capacity: 1, maxWaiting: "none", onFull: "reject" })
      )
      yield* pool.submit(Effect.never)
      const refused = Effect.flip(pool.submit(Effect.void))
      for (let n = 0; n < 3; n++) yield* refused
      yield* TestClock.adjust("10 seconds")
      yield* refused
      yield* pool.shutdown({ drain: 0 })
      assert.deepStrictEqual(lines.map(({ message }) => message), [
        "pool told is full: 1 refused by its policy reject",
        "pool told is full: 3 refused by its policy reject",
        "pool told was shut down: 0 completed, 1 interrupted, 0 abandoned"
      ])
      const state = yield* metric("ostinato_pool_rejected_total", { pool: "told", policy: "reject" })
      assert.deepInclude(state, { count: 4 })
    }))

  it.effect("S2.9 its state is shown by metrics until its scope closes", () =>
    Effect.gen(function*() {
      const shown = Effect.forEach(["capacity", "running", "free", "waiting"], (key) =>
        metric(`ostinato_pool_${key}`, { pool: "shown" }))
      yield* Effect.scoped(Effect.gen(function*() {
        const pool = yield* TaskPool.make({ name: "shown", capacity: 5, drain: 0 })
        for (let n = 0; n < 7; n++) {
          yield* pool.submit(Effect.never)
        }
        assert.deepStrictEqual(yield* shown, [{ value: 5 }, { value: 5 }, { value: 0 }, { value: 2 }])
      }))
      assert.deepStrictEqual(yield* shown, [undefined, undefined, undefined, undefined])
    }))

  it.effect("S0.4 named work has a span below that of whoever submits it, which says where it ran", () =>
    Effect.gen(function*() {
      const spans: Parameters<typeof traced>[0] = []
      yield* Effect.gen(function*() {
        const pool = yield* TaskPool.make({ name: "traced", capacity: 3 })
        yield* Effect.withSpan(pool.run(Effect.void, { name: "work" }), "outer")
        yield* pool.run(Effect.void)
      }).pipe(Effect.scoped, traced(spans))
      assert.deepStrictEqual(spans.map(({ name }) => name), ["outer", "work"])
      assert.strictEqual(spans[1]?.attributes.get("ostinato.executor"), "pool traced")
      const { parent } = spans[1]!
      assert.isTrue(parent._tag === "Some" && parent.value.spanId === spans[0]?.spanId)
    }))
})
