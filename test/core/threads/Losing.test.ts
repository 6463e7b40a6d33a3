import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Metric from "effect/Metric"
import * as Result from "effect/Result"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/testing/TestClock"
import { spawn } from "node:child_process"
import { fileURLToPath } from "node:url"
import { Attempt, Task, TaskError, ThreadError, ThreadPool, ThreadTask } from "ostinato"
import { onTestFailed } from "vitest"
import * as tasks from "./tasks.ts"

const logged = () => {
  const lines: Array<string> = []
  const logger = Logger.make(({ message }) => void lines.push(String(message)))
  return { lines, layer: Logger.layer([logger]) }
}

const crashes = (pool: string) =>
  Effect.map(Metric.snapshot, (all) => {
    const found = all.find(({ attributes, id }) =>
      id === "ostinato_thread_crashes_total" && attributes?.["pool"] === pool
    )
    return found?.type === "Counter" ? Number(found.state.count) : 0
  })

describe("a thread that is lost", () => {
  for (const isolation of ["thread", "process"] as const) {
    it.live(`S2.8 a ${isolation} that ends under its task fails that task alone, is reported, counted and replaced`, () => {
      const { layer, lines } = logged()
      return Effect.scoped(Effect.gen(function*() {
        const name = `test.crash.${isolation}`
        const pool = yield* ThreadPool.make({ name, isolation, capacity: 2 })
        const gate = tasks.makeGate()
        const other = isolation === "thread"
          ? yield* Effect.forkChild(pool.run(tasks.Hold, { gate: gate.buffer }), { startImmediately: true })
          : undefined
        if (other !== undefined) yield* Effect.promise(() => gate.begun(1))
        const details: Array<string> = []
        for (const how of ["exit", "reject", "throw later"] as const) {
          const error = yield* Effect.flip(pool.run(tasks.End, { how }))
          assert.strictEqual(error._tag, "WorkerCrashed")
          if (error instanceof ThreadError.WorkerCrashed) details.push(error.detail)
          assert.strictEqual(yield* pool.run(tasks.Double, { n: 21 }), 42)
        }
        assert.include(details[0], "exited with code 3")
        assert.include(details[1], "nobody waits for this")
        assert.match(details[2] ?? "", /nobody catches this[\s\S]*code\.ts/)
        assert.strictEqual(yield* crashes(name), 3)
        assert.lengthOf(lines.filter((line) => line.startsWith(`a thread of pool ${name} ended`)), 3)
        gate.open()
        if (other !== undefined) assert.isAbove(yield* Fiber.join(other), 0)
      })).pipe(Effect.provide(layer))
    })

    it.live(`a ${isolation} that reaches the limit of its memory fails its task, and the next one runs`, () =>
      Effect.scoped(Effect.gen(function*() {
        const pool = yield* ThreadPool.make({
          isolation,
          capacity: 1,
          resourceLimits: { maxOldGenerationSizeMb: 24, maxYoungGenerationSizeMb: 8 }
        })
        assert.strictEqual((yield* Effect.flip(pool.run(tasks.End, { how: "memory" })))._tag, "WorkerOutOfMemory")
        assert.strictEqual(yield* pool.run(tasks.Double, { n: 1 }), 2)
      })).pipe(Effect.provide(logged().layer)))

    it.live(`S3.23 a limit stops a loop that never waits in a ${isolation}, and its place is used again`, () =>
      Effect.scoped(Effect.gen(function*() {
        const pool = yield* ThreadPool.make({ isolation, capacity: 1, timeout: "30 seconds" })
        yield* pool.run(tasks.Where, {})
        const error = yield* Effect.flip(pool.run(tasks.Forever, {}, { timeout: "50 millis" }))
        assert.deepStrictEqual(error, new TaskError.TaskTimeout({ task: "test.forever", timeoutMs: 50 }))
        assert.strictEqual(yield* pool.run(tasks.Double, { n: 3 }), 6)
        assert.deepInclude(yield* pool.status, { threads: 1, running: 0, waiting: 0 })
      })))
  }

  it.live("S3.23 the limit of a task counts from its start, not from its turn in the line", () =>
    Effect.scoped(Effect.gen(function*() {
      const pool = yield* ThreadPool.make({ capacity: 1, grace: "10 seconds" })
      const gate = tasks.makeGate()
      const holding = yield* Effect.forkChild(pool.run(tasks.Hold, { gate: gate.buffer }), { startImmediately: true })
      yield* Effect.promise(() => gate.begun(1))
      const next = yield* Effect.forkChild(pool.run(tasks.Double, { n: 1 }, { timeout: "1 minute" }), {
        startImmediately: true
      })
      yield* TestClock.adjust("2 minutes")
      gate.open()
      yield* Fiber.join(holding)
      assert.strictEqual(yield* Fiber.join(next), 2)
    })).pipe(Effect.provide(TestClock.layer())))

  it.live("S2.8 what was sent to a thread and had not begun when it ended runs on the next one, once", () =>
    Effect.scoped(Effect.gen(function*() {
      const pool = yield* ThreadPool.make({ capacity: 1 })
      const warm = tasks.makeGate()
      // known to be short: such tasks are sent ahead
      for (let count = 0; count < 50; count++) {
        yield* Effect.ignore(pool.run(tasks.End, { how: "declared" }))
        yield* pool.run(tasks.Meet, { gate: warm.buffer, together: 1 })
      }
      const gates = Array.from({ length: 20 }, () => tasks.makeGate())
      const [crashed] = yield* Effect.all([
        Effect.flip(pool.run(tasks.End, { how: "exit" })),
        Effect.forEach(gates, ({ buffer }) => pool.run(tasks.Meet, { gate: buffer, together: 1 }), {
          concurrency: "unbounded"
        })
      ], { concurrency: 2 })
      assert.strictEqual(crashed._tag, "WorkerCrashed")
      for (const { buffer } of gates) assert.strictEqual(new Int32Array(buffer)[0], 1)
    })).pipe(Effect.provide(logged().layer)))

  it.live("S3.23 a short task that never ends takes along at most replies that were on their way, and nothing runs twice", () =>
    Effect.scoped(Effect.gen(function*() {
      const pool = yield* ThreadPool.make({ capacity: 1 })
      const warm = tasks.makeGate()
      for (let count = 0; count < 50; count++) yield* pool.run(tasks.Fickle, { gate: warm.buffer, isEndless: false })
      const gates = Array.from({ length: 30 }, () => tasks.makeGate())
      const results = yield* Effect.forEach(gates, ({ buffer }, index) =>
        Effect.result(
          pool.run(tasks.Fickle, { gate: buffer, isEndless: index === 9 }, {
            timeout: index === 9 ? "50 millis" : "1 hour"
          })
        ), { concurrency: "unbounded" })
      results.forEach((result, index) => {
        if (index === 9) assert.strictEqual(Result.isFailure(result) ? result.failure._tag : "", "TaskTimeout")
        else if (index > 9) assert.isTrue(Result.isSuccess(result))
        else if (Result.isFailure(result)) assert.match(result.failure.message, /its result was lost/)
      })
      for (const { buffer } of gates) assert.strictEqual(new Int32Array(buffer)[0], 1)
    })))

  it.live("S3.23 a thread that an earlier task left in a loop is replaced, and the task that it did not begin runs on the next", () =>
    Effect.scoped(Effect.gen(function*() {
      const pool = yield* ThreadPool.make({ capacity: 1 })
      const before = yield* pool.run(tasks.Where, {})
      const gate = tasks.makeGate()
      yield* pool.run(tasks.Leave, { gate: gate.buffer })
      yield* Effect.promise(() => gate.begun(1))
      const next = yield* Effect.forkChild(pool.run(tasks.Where, {}, { timeout: "1 hour" }), { startImmediately: true })
      // it is sent in this turn
      yield* Effect.promise(() => new Promise<void>((resolve) => void setImmediate(resolve)))
      yield* TestClock.adjust("1 hour")
      assert.notStrictEqual((yield* Fiber.join(next)).threadId, before.threadId)
    })).pipe(Effect.provide(TestClock.layer())))

  it.live("S2.16 a thread without work ends after the idle time, and the next task has a new one", () =>
    Effect.scoped(Effect.gen(function*() {
      const pool = yield* ThreadPool.make({ capacity: 2 })
      const threads = Effect.map(pool.status, (status) => status.threads)
      const first = yield* pool.run(tasks.Where, {})
      yield* TestClock.adjust("9 seconds")
      assert.strictEqual(yield* threads, 1)
      assert.strictEqual((yield* pool.run(tasks.Where, {})).threadId, first.threadId)
      yield* TestClock.adjust("9 seconds")
      assert.strictEqual(yield* threads, 1)
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* threads, 0)
      assert.notStrictEqual((yield* pool.run(tasks.Where, {})).threadId, first.threadId)
    })).pipe(Effect.provide(TestClock.layer())))
})

describe("a process whose parent is killed", () => {
  it("S3.2 ends as well, also in a loop that never ends", async () => {
    const parent = spawn(process.execPath, [
      "--conditions=ostinato:source",
      fileURLToPath(new URL("./parent.ts", import.meta.url))
    ], { stdio: ["ignore", "pipe", "inherit"] })
    const said = await new Promise<string>((resolve) => parent.stdout.once("data", (data) => resolve(String(data))))
    const child = Number(/^spinning (\d+)/.exec(said)?.[1])
    onTestFailed(() => void process.kill(child, "SIGKILL"))
    assert.isAbove(child, 0)
    parent.kill("SIGKILL")
    // the pipe closes with the last process that holds it
    await new Promise((resolve) => parent.stdout.once("close", resolve))
  })
})

describe("a task that is interrupted", () => {
  for (
    const [what, task] of [
      ["with its event loop free is told by its signal", tasks.Listen],
      ["that looks is told without its event loop", tasks.Look],
      ["that is an Effect is interrupted and finalizes", tasks.Effectful]
    ] as const
  ) {
    it.live(`S3.2 ${what}, and keeps its thread`, () =>
      Effect.scoped(Effect.gen(function*() {
        const pool = yield* ThreadPool.make({ capacity: 1, grace: "1 hour" })
        const before = yield* pool.run(tasks.Where, {})
        const gate = tasks.makeGate()
        const fiber = yield* Effect.forkChild(pool.run(task, { gate: gate.buffer }), { startImmediately: true })
        yield* Effect.promise(() => gate.begun(1))
        yield* Fiber.interrupt(fiber)
        assert.isTrue(gate.isOpen())
        assert.strictEqual((yield* pool.run(tasks.Where, {})).threadId, before.threadId)
      })).pipe(Effect.provide(TestClock.layer())))
  }

  it.live("S3.2 in the line or sent ahead never begins", () =>
    Effect.scoped(Effect.gen(function*() {
      const pool = yield* ThreadPool.make({ capacity: 1 })
      const gate = tasks.makeGate()
      const holding = yield* Effect.forkChild(pool.run(tasks.Hold, { gate: gate.buffer }), { startImmediately: true })
      yield* Effect.promise(() => gate.begun(1))
      const never = tasks.makeGate()
      const waiting = yield* Effect.forkChild(pool.run(tasks.Meet, { gate: never.buffer, together: 1 }), {
        startImmediately: true
      })
      yield* Fiber.interrupt(waiting)
      gate.open()
      yield* Fiber.join(holding)
      yield* pool.run(tasks.Where, {})
      assert.strictEqual(new Int32Array(never.buffer)[0], 0)
    })))
})

describe("what a task ends with", () => {
  it.live("S2.8 S2.80 a throw is the declared error, or a defect with the stack of the thread; the thread goes on", () =>
    Effect.scoped(Effect.gen(function*() {
      const pool = yield* ThreadPool.make({ capacity: 1 })
      const { threadId } = yield* pool.run(tasks.Where, {})
      assert.deepStrictEqual(
        yield* Effect.flip(pool.run(tasks.End, { how: "declared" })),
        new tasks.Refused({ why: "not today" })
      )
      const exit = yield* Effect.exit(pool.run(tasks.End, { how: "defect" }))
      const defect = Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined
      assert.isTrue(defect instanceof Error && defect.name === "TypeError" && defect.message === "a bug")
      assert.include(defect instanceof Error ? defect.stack : "", "code.ts")
      assert.strictEqual((yield* pool.run(tasks.Where, {})).threadId, threadId)
    })))

  for (const isolation of ["thread", "process", "none"] as const) {
    it.live(`S3.47 what cannot travel is named, nothing hangs, and the same worker runs the next task (${isolation})`, () =>
      Effect.scoped(Effect.gen(function*() {
        const pool = yield* ThreadPool.make({ capacity: 1, isolation })
        const { pid, threadId } = yield* pool.run(tasks.Where, {})
        function parse() {}
        // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what the compiler would refuse
        const forced = (value: unknown): never => value as never
        const failed = (work: Effect.Effect<unknown, unknown>) =>
          Effect.map(Effect.flip(work), (error) => {
            assert.instanceOf(error, ThreadError.NotTransferable)
            return error instanceof ThreadError.NotTransferable ? [error.path, error.value] : []
          })
        assert.deepStrictEqual(yield* failed(pool.run(forced(parse), forced({}))), ["task", "function parse"])
        assert.deepStrictEqual(
          yield* failed(pool.run(tasks.Double, forced({ n: parse }))),
          ["payload.n", "function parse"]
        )
        const Loose = ThreadTask.make("test.loose", {
          module: new URL("./code.ts", import.meta.url),
          export: "double",
          payload: forced({ n: Schema.Unknown })
        })
        // one that cannot travel does not hold up those that are sent with it
        const [stuck, fine] = yield* Effect.all([
          failed(pool.run(Loose, forced({ n: { deep: [1, parse] } }))),
          pool.run(tasks.Double, { n: 4 })
        ], { concurrency: 2 })
        assert.deepStrictEqual(stuck, ["payload.n.deep[1]", "function parse"])
        assert.strictEqual(fine, 8)
        const [path, value] = yield* failed(pool.run(tasks.End, { how: "result" }))
        assert.deepStrictEqual([path, value], ["result.deep[1]", "a function"])
        assert.strictEqual((yield* Effect.flip(pool.run(tasks.End, { how: "unfit" })))._tag, "ResultInvalid")
        assert.strictEqual((yield* Effect.flip(pool.run(tasks.Double, forced({ n: "1" }))))._tag, "PayloadInvalid")
        const after = yield* pool.run(tasks.Where, {})
        assert.deepStrictEqual([after.pid, after.threadId], [pid, threadId])
      })))
  }

  it.live("a module or an export that is not there is named; .js is found as .ts", () =>
    Effect.scoped(Effect.gen(function*() {
      const pool = yield* ThreadPool.make({ capacity: 1 })
      const at = (file: string, name: string) =>
        ThreadTask.make("test.absent", {
          module: new URL(file, import.meta.url),
          export: name,
          payload: { n: Schema.Int },
          success: Schema.Int
        })
      const noModule = yield* Effect.flip(pool.run(at("./nowhere.ts", "double"), { n: 1 }))
      assert.strictEqual(noModule._tag, "ThreadTaskInvalid")
      assert.include(noModule.message, "nowhere.ts")
      const noExport = yield* Effect.flip(pool.run(at("./code.ts", "triple"), { n: 1 }))
      assert.match(noExport.message, /"triple" of .*code\.ts: the module has no function of this name/)
      assert.strictEqual(yield* pool.run(at("./code.js", "double"), { n: 1 }), 2)
    })))
})

describe("a task with a Scope of its own", () => {
  it.live("S0.34 S2.68 releases what it acquired when its thread crashes, before the outcome is known", () =>
    Effect.gen(function*() {
      const released = yield* Deferred.make<void>()
      const Crash = Task.make("test.acquiring", { error: ThreadError.ThreadError })
      const CrashLive = Crash.toLayer(() =>
        Effect.acquireRelease(Effect.void, () => Deferred.succeed(released, undefined)).pipe(
          Effect.andThen(ThreadPool.handler(tasks.End)({ how: "exit" })),
          Effect.catchTag("Refused", Effect.die),
          Effect.andThen(Attempt.skip("unreached"))
        )
      )
      const error = yield* Task.run(Crash, {}).pipe(
        Effect.flip,
        Effect.provide(Layer.mergeAll(Layer.provideMerge(CrashLive, ThreadPool.layer()), logged().layer))
      )
      assert.strictEqual(error._tag, "WorkerCrashed")
      assert.isTrue(yield* Deferred.isDone(released))
    }))

  it.live("S3.23 the timeout of a task kills its thread, and a further attempt has another one", () =>
    Effect.gen(function*() {
      const gate = tasks.makeGate()
      const retried = yield* Deferred.make<void>()
      const Stubborn = Task.make("test.stubborn", {
        success: tasks.Where.success,
        error: ThreadError.ThreadError,
        timeout: "1 hour",
        grace: "1 hour",
        retry: Schedule.recurs(1)
      })
      const StubbornLive = Stubborn.toLayer(Effect.fn(function*() {
        if ((yield* Attempt.Attempt).number === 1) {
          yield* ThreadPool.handler(tasks.Spin)({ gate: gate.buffer })
        }
        yield* Deferred.succeed(retried, undefined)
        return yield* ThreadPool.handler(tasks.Where)({})
      }))
      const running = yield* Task.run(Stubborn, {}).pipe(
        Effect.provide(Layer.provideMerge(StubbornLive, ThreadPool.layer({ capacity: 1 }))),
        Effect.forkChild({ startImmediately: true })
      )
      yield* Effect.promise(() => gate.begun(1))
      yield* TestClock.adjust("1 hour")
      const turn = Effect.promise(() => new Promise<void>((resolve) => void setImmediate(resolve)))
      while (!(yield* Deferred.isDone(retried))) {
        yield* TestClock.adjust("100 millis")
        yield* turn
      }
      assert.isFalse((yield* Fiber.join(running)).isMainThread)
    }).pipe(Effect.provide(TestClock.layer())))
})
