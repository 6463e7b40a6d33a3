import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as Schema from "effect/Schema"
import * as Tracer from "effect/Tracer"
import { createHash } from "node:crypto"
import { threadId } from "node:worker_threads"
import { Task, TaskError, TaskPool, ThreadError, ThreadPool } from "ostinato"
import { vi } from "vitest"
import * as tasks from "./tasks.ts"

const spansOf = () => {
  const ended: Array<Tracer.NativeSpan> = []
  const tracer = Tracer.make({
    span: (options) => {
      const span = new Tracer.NativeSpan(options)
      ended.push(span)
      return span
    }
  })
  return { ended, record: Effect.withTracer(tracer) }
}

describe("ThreadPool.run", () => {
  it.live("S0.3 S1.6 S1.29 runs on a thread that is not this one; two by default, and as many as it is told", () =>
    Effect.scoped(Effect.gen(function*() {
      const pool = yield* ThreadPool.make()
      const seen = yield* pool.run(tasks.Where, {})
      assert.isFalse(seen.isMainThread)
      assert.notStrictEqual(seen.threadId, threadId)
      assert.strictEqual(seen.pid, process.pid)
      assert.strictEqual((yield* pool.status).capacity, 2)
      assert.strictEqual((yield* (yield* ThreadPool.make({ capacity: 5 })).status).capacity, 5)
    })))

  it.live("S0.3 S0.33 S1.29 while threads are at work and are waited for, the event loop turns", () =>
    Effect.scoped(Effect.gen(function*() {
      const pool = yield* ThreadPool.make()
      const gate = tasks.makeGate()
      const waiting = yield* Effect.forkChild(
        Effect.all([pool.run(tasks.Hold, { gate: gate.buffer }), pool.run(tasks.Hold, { gate: gate.buffer })], {
          concurrency: 2
        }),
        { startImmediately: true }
      )
      yield* Effect.promise(() => gate.begun(2))
      // both threads stand still until a later turn of this loop opens the gate
      yield* Effect.promise(() => new Promise<void>((resolve) => void setImmediate(resolve)))
      assert.isUndefined(waiting.pollUnsafe())
      gate.open()
      const [one, two] = yield* Fiber.join(waiting)
      assert.notStrictEqual(one, two)
    })))

  it.live("S3.3 five hundred hashes are computed on threads, all of them, and none on this one", () =>
    Effect.scoped(Effect.gen(function*() {
      const pool = yield* ThreadPool.make({ capacity: "auto" })
      const texts = Array.from({ length: 500 }, (_, index) => `file ${index}`)
      let turns = 0
      const turning = yield* Effect.forkChild(
        Effect.forever(Effect.promise(() =>
          new Promise<void>((resolve) =>
            void setImmediate(() => {
              turns += 1
              resolve()
            })
          )
        ))
      )
      const found = yield* Effect.forEach(texts, (text) => pool.run(tasks.Hash, { text }), { concurrency: "unbounded" })
      yield* Fiber.interrupt(turning)
      const digests = texts.map((text) => createHash("sha256").update(text.repeat(1000)).digest("hex"))
      assert.deepStrictEqual(found.map(({ digest }) => digest), digests)
      assert.notInclude(found.map((one) => one.threadId), threadId)
      assert.isAbove(turns, 1)
    })))

  it.live("S0.4 three named tasks have a thread each at capacity 3, their spans name it, and they work at the same time", () => {
    const { ended, record } = spansOf()
    return Effect.scoped(Effect.gen(function*() {
      const pool = yield* ThreadPool.make({ capacity: 3 })
      const gate = tasks.makeGate()
      const names = ["test.commits", "test.accounts", "test.traffic"]
      const seen = yield* Effect.forEach(
        names,
        (name) => pool.run(tasks.meet(name), { gate: gate.buffer, together: 3 }),
        { concurrency: 3 }
      )
      for (const one of seen) {
        assert.isFalse(one.isMainThread)
        assert.isAbove(one.cpuMicros, 0)
        for (const other of seen) assert.isTrue(one.from <= other.to && other.from <= one.to)
      }
      assert.deepStrictEqual(ended.map(({ name }) => name), names.map((name) => `thread ${name}`))
      const ids = ended.map((span) => span.attributes.get("threadId"))
      assert.strictEqual(new Set(ids).size, 3)
      assert.notInclude(ids, threadId)
      assert.deepStrictEqual(ids, seen.map((one) => one.threadId))
    })).pipe(record)
  })

  it.live("S3.17 a hundred tasks are spread over the threads and none runs twice", () =>
    Effect.scoped(Effect.gen(function*() {
      const pool = yield* ThreadPool.make({ capacity: 3 })
      const gates = Array.from({ length: 100 }, () => tasks.makeGate())
      const first = tasks.makeGate()
      yield* Effect.forEach([1, 2, 3], () => pool.run(tasks.Meet, { gate: first.buffer, together: 3 }), {
        concurrency: 3
      })
      const seen = yield* Effect.forEach(
        gates,
        ({ buffer }) => pool.run(tasks.Meet, { gate: buffer, together: 1 }),
        { concurrency: "unbounded" }
      )
      assert.isAbove(new Set(seen.map((one) => one.threadId)).size, 1)
      for (const { buffer } of gates) assert.strictEqual(new Int32Array(buffer)[0], 1)
    })))

  it.live("S2.69 S3.17 auto is the number of cores and at least two, as the metrics of a running pool say", () =>
    Effect.scoped(Effect.gen(function*() {
      for (const [cores, capacity] of [[8, 8], [1, 2], [2, 2]] as const) {
        const name = `test.auto.${cores}`
        const pool = yield* Effect.provideService(
          ThreadPool.make({ name, capacity: "auto" }),
          ThreadPool.Cores,
          cores
        )
        assert.strictEqual((yield* pool.status).capacity, capacity)
        const shown = (yield* Metric.snapshot).find((metric) =>
          metric.id === "ostinato_pool_capacity" && metric.attributes?.["pool"] === name
        )
        assert.strictEqual(shown?.type === "Gauge" ? shown.state.value : undefined, capacity)
      }
    })))

  it.live("S2.9 its state is shown by the metrics that all pools share, until its scope closes", () =>
    Effect.gen(function*() {
      const shown = Effect.map(
        Metric.snapshot,
        (all) =>
          all.filter(({ attributes, id }) => id.startsWith("ostinato_pool_") && attributes?.["pool"] === "test.shown")
      )
      const ofTasks = TaskPool.make({ name: "test.shown.too", capacity: 1 })
      yield* Effect.scoped(Effect.gen(function*() {
        yield* ThreadPool.make({ name: "test.shown", capacity: 3 })
        yield* ofTasks
        const states = (yield* shown).map(({ id, state }) => [id, "value" in state ? state.value : undefined])
        assert.deepStrictEqual(Object.fromEntries(states), {
          ostinato_pool_capacity: 3,
          ostinato_pool_running: 0,
          ostinato_pool_free: 3,
          ostinato_pool_waiting: 0
        })
        const described = (yield* Metric.snapshot).filter(({ id }) => id === "ostinato_pool_capacity")
        assert.strictEqual(new Set(described.map(({ description }) => description)).size, 1)
      }))
      assert.deepStrictEqual(yield* shown, [])
    }))

  it.live("S2.69 one task runs on threads, in processes or here by the Layer of its pool, and its span says where", () => {
    const { ended, record } = spansOf()
    const Where = Task.make("test.anywhere", {
      success: tasks.Where.success,
      error: ThreadError.ThreadError
    })
    const WhereLive = Where.toLayer(ThreadPool.handler(tasks.Where))
    const runOn = (isolation: "thread" | "process" | "none") =>
      Task.run(Where, {}).pipe(
        Effect.provide(Layer.provideMerge(WhereLive, ThreadPool.layer({ name: `on ${isolation}`, isolation })))
      )
    return Effect.gen(function*() {
      const thread = yield* runOn("thread")
      assert.strictEqual(thread.pid, process.pid)
      assert.isFalse(thread.isMainThread)
      const other = yield* runOn("process")
      assert.notStrictEqual(other.pid, process.pid)
      const here = yield* runOn("none")
      assert.deepStrictEqual([here.pid, here.threadId], [process.pid, threadId])
      const said = ended.filter(({ name }) => name === "thread test.where").map(({ attributes }) => [
        attributes.get("ostinato.pool"),
        attributes.get("threadId")
      ])
      assert.deepStrictEqual(said, [["on thread", thread.threadId], ["on process", other.pid], ["on none", 0]])
    }).pipe(record)
  })

  it.live("takes lower numbers first, and whoever came first among equals", () =>
    Effect.scoped(Effect.gen(function*() {
      const pool = yield* ThreadPool.make({ capacity: 1 })
      const gate = tasks.makeGate()
      const order: Array<string> = []
      const holding = yield* Effect.forkChild(pool.run(tasks.Hold, { gate: gate.buffer }), { startImmediately: true })
      yield* Effect.promise(() => gate.begun(1))
      const fibers: Array<Fiber.Fiber<unknown, unknown>> = []
      for (const [name, priority] of [["b1", 5], ["a1", -1], ["b2", 5], ["a2", -1]] as const) {
        fibers.push(
          yield* Effect.forkChild(
            Effect.tap(pool.run(tasks.Where, {}, { priority }), () => Effect.sync(() => order.push(name))),
            { startImmediately: true }
          )
        )
        yield* Effect.promise(() => new Promise<void>((resolve) => void setImmediate(resolve)))
      }
      assert.deepInclude(yield* pool.status, { running: 1, waiting: 4 })
      gate.open()
      yield* Fiber.join(holding)
      yield* Fiber.joinAll(fibers)
      assert.deepStrictEqual(order, ["a1", "a2", "b1", "b2"])
    })))

  it.live("a short task that was sent behind a long one moves to the thread that is free first", () =>
    Effect.scoped(Effect.gen(function*() {
      const pool = yield* ThreadPool.make({ capacity: 2 })
      const open = tasks.makeGate()
      open.open()
      // both are known to be short: such tasks are sent ahead
      for (let count = 0; count < 50; count++) {
        yield* Effect.all([pool.run(tasks.Double, { n: 1 }), pool.run(tasks.Hold, { gate: open.buffer })], {
          concurrency: 2
        })
      }
      const long = tasks.makeGate()
      const holding = yield* Effect.forkChild(pool.run(tasks.Hold, { gate: long.buffer }), { startImmediately: true })
      const values = yield* Effect.forEach(
        Array.from({ length: 100 }, (_, n) => n),
        (n) => pool.run(tasks.Double, { n }),
        { concurrency: "unbounded" }
      )
      assert.deepStrictEqual(values, Array.from({ length: 100 }, (_, n) => n * 2))
      assert.isUndefined(holding.pollUnsafe())
      long.open()
      yield* Fiber.join(holding)
    })))

  it.live("S0.44 threads see a frozen clone of the configuration: what they try to change stays as it was", () =>
    Effect.scoped(Effect.gen(function*() {
      const config = { limits: { size: 10 }, tags: ["a"] }
      for (const isolation of ["thread", "process", "none"] as const) {
        const pool = yield* ThreadPool.make({ isolation, config, capacity: 1 })
        const { after, seen, tried } = yield* pool.run(tasks.Mutate, {})
        assert.deepStrictEqual(tried, ["TypeError", "TypeError"])
        assert.deepStrictEqual([seen, after], [config, config])
      }
      config.limits.size = 11
      assert.isFalse(Object.isFrozen(config))
    })))

  it.live("buffers move there and back where their Schema says so", () =>
    Effect.scoped(Effect.gen(function*() {
      const pool = yield* ThreadPool.make()
      const buffer = new Uint8Array(8)
      const back = yield* pool.run(tasks.Bytes, { buffer })
      assert.strictEqual(buffer.byteLength, 0)
      assert.deepStrictEqual(Array.from(back), [42, 0, 0, 0, 0, 0, 0, 0])
    })))

  it.live("code may give an Effect, and what it fails with is typed", () =>
    Effect.scoped(Effect.gen(function*() {
      const pool = yield* ThreadPool.make({ capacity: 1 })
      assert.strictEqual(yield* pool.run(tasks.Doubled, { n: 4 }), 8)
      assert.deepStrictEqual(
        yield* Effect.flip(pool.run(tasks.Doubled, { n: -1 })),
        new tasks.Refused({ why: "-1" })
      )
    })))

  it.live("S2.17 a pool that is warmed has all its threads before the first task", () =>
    Effect.scoped(Effect.gen(function*() {
      assert.deepInclude(yield* (yield* ThreadPool.make({ capacity: 3 })).status, { threads: 0 })
      const pool = yield* ThreadPool.make({ capacity: 3, prewarm: true })
      assert.deepInclude(yield* pool.status, { threads: 3, ready: 3, running: 0 })
      yield* pool.run(tasks.Where, {})
      assert.deepInclude(yield* pool.status, { threads: 3 })
    })))

  it.live("S3.2 whoever is interrupted takes only their own work along; the end of the scope ends every thread", () =>
    Effect.gen(function*() {
      const gate = tasks.makeGate()
      const closed = yield* Deferred.make<ThreadPool.ThreadPool["Service"]>()
      const spinning = yield* Effect.scoped(Effect.gen(function*() {
        const pool = yield* ThreadPool.make()
        const mine = yield* Effect.forkChild(pool.run(tasks.Spin, { gate: gate.buffer }), { startImmediately: true })
        yield* Effect.promise(() => gate.begun(1))
        yield* Fiber.interrupt(mine)
        assert.strictEqual(yield* pool.run(tasks.Double, { n: 2 }), 4)
        const left = yield* Effect.forkDetach(pool.run(tasks.Spin, { gate: gate.buffer }), { startImmediately: true })
        yield* Effect.promise(() => gate.begun(2))
        yield* Deferred.succeed(closed, pool)
        return left
      }))
      const pool = yield* Deferred.await(closed)
      assert.deepInclude(yield* pool.status, { threads: 0, running: 0 })
      const exit = yield* Fiber.await(spinning)
      const failure = Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined
      assert.instanceOf(failure, TaskError.TaskInterrupted)
      assert.strictEqual((yield* Effect.flip(pool.run(tasks.Where, {})))._tag, "TaskInterrupted")
    }))

  it("S3.47 a Schema whose encoded form cannot travel does not compile, and neither does a closure", () => {
    const refused = () => {
      const pool = ThreadPool.make()
      // @ts-expect-error -- a closure is no task
      void Effect.flatMap(pool, ({ run }) => run(() => 1, {}))
      // @ts-expect-error -- a Schema of anything takes closures as well
      void tasks.declare({ payload: { read: Schema.Unknown } })
      // @ts-expect-error -- a value with methods loses them
      void tasks.declare({ payload: { at: Schema.DateTimeUtc } })
      void tasks.declare({ payload: { at: Schema.DateTimeUtcFromString } })
    }
    assert.isFunction(refused)
  })

  it.live("a child process sees nothing of the environment but what a program needs", () =>
    Effect.scoped(Effect.gen(function*() {
      vi.stubEnv("OSTINATO_TEST_SECRET", "canary")
      const pool = yield* ThreadPool.make({ isolation: "process", capacity: 1 })
      const names = yield* pool.run(tasks.Environment, {})
      vi.unstubAllEnvs()
      assert.include(names, "PATH")
      assert.deepStrictEqual(names.filter((name) => /SECRET|VITEST|npm_/.test(name)), [])
    })))

  it.live("a capacity that is none is refused before any thread starts", () =>
    Effect.scoped(Effect.gen(function*() {
      for (const capacity of [0, 1.5, Number.NaN, -1]) {
        const error = yield* Effect.flip(ThreadPool.make({ name: "odd", capacity }))
        assert.include(error.message, `pool odd cannot be made: capacity is ${capacity}`)
      }
    })))
})
