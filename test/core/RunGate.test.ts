import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Schema from "effect/Schema"
import { Attempt, Dispatch, MemoryRunLog, RunGate, RunLog, Task, TaskPool } from "ostinato"

/** Lets a run begin, or not, and keeps what happened in which order. */
const gated = (may: boolean, seen: Array<string>) =>
  Effect.provideService(
    RunGate.RunGate,
    Effect.gen(function*() {
      const log = yield* Effect.serviceOption(RunLog.RunLog)
      const [run] = log._tag === "Some" ? yield* Effect.orDie(log.value.list({ limit: 1 })) : []
      seen.push(`asked about a run that is ${run?.status ?? "unknown"}`)
      return may
    })
  )

const Inner = Task.fn("gate.inner", {}, () => Effect.void)
const outer = (seen: Array<string>) =>
  Task.fn("gate.outer", { success: Schema.Void }, () =>
    Effect.gen(function*() {
      const { trigger } = yield* Attempt.Attempt
      seen.push(`handler, started by ${trigger.kind}`)
      const run = yield* Effect.orDie(Dispatch.here(Inner, {}, { kind: "code" }))
      yield* Effect.orDie(run.await)
    }).pipe(Effect.asVoid))

const cli = { kind: "cli", host: "here", pid: 1 } as const

describe("RunGate", () => {
  it.effect("G11 is asked when the log has the run, before the handler, once, and not for runs that the handler starts", () =>
    Effect.gen(function*() {
      const seen: Array<string> = []
      const run = yield* Dispatch.here(outer(seen), {}, cli).pipe(gated(true, seen))
      yield* run.await
      assert.deepStrictEqual(seen, ["asked about a run that is running", "handler, started by cli"])
    }).pipe(Effect.provide(MemoryRunLog.layer())))

  it.effect("G11 a run that may not begin is recorded as skipped, and its handler is never called", () =>
    Effect.gen(function*() {
      const seen: Array<string> = []
      const exit = yield* Dispatch.here(outer(seen), {}, cli).pipe(
        Effect.flatMap((run) => run.await),
        gated(false, seen),
        Effect.exit
      )
      assert.isTrue(Exit.isFailure(exit))
      assert.deepStrictEqual(seen, ["asked about a run that is running"])
      const log = yield* RunLog.RunLog
      assert.deepStrictEqual((yield* log.list({ limit: 10 })).map(({ status }) => status), ["skipped"])
    }).pipe(Effect.provide(MemoryRunLog.layer())))

  it.effect("G11 in a pool it is asked when the turn of the run has come", () =>
    Effect.gen(function*() {
      const seen: Array<string> = []
      const pool = yield* TaskPool.make({ name: "gate", capacity: 1, drain: 0 })
      const busy = yield* pool.submit(Effect.never)
      const task = Task.fn("gate.pooled", {}, () => Effect.sync(() => void seen.push("handler")))
      const run = yield* Dispatch.pool(pool)(task, {}, cli).pipe(gated(true, seen))
      assert.deepStrictEqual(seen, [])
      yield* busy.cancel
      yield* run.await
      assert.strictEqual(seen.at(-1), "handler")
      assert.strictEqual(seen.length, 2)
    }).pipe(Effect.provide(MemoryRunLog.layer())))

  it.effect("G11 a run whose gate is interrupted or breaks ends in the log, here and in a pool, and its handler is never called", () =>
    Effect.gen(function*() {
      const log = yield* RunLog.RunLog
      const never = Task.fn("gate.never", {}, () => Effect.die("begun"))
      const pool = yield* TaskPool.make({ name: "gate", capacity: 1 })
      const asked = yield* Latch.make()
      const waiting = Effect.provideService(RunGate.RunGate, Effect.andThen(asked.open, Effect.never))
      const here = yield* Effect.forkChild(Dispatch.here(never, {}, cli).pipe(waiting))
      yield* asked.await
      yield* Fiber.interrupt(here)
      yield* asked.close
      const pooled = yield* Dispatch.pool(pool)(never, {}, cli).pipe(waiting)
      yield* asked.await
      yield* pool.shutdown({ drain: 0 })
      assert.deepInclude(yield* Effect.flip(pooled.await), { _tag: "TaskInterrupted" })
      const broken = Effect.provideService(RunGate.RunGate, Effect.die("no answer"))
      assert.isTrue(
        Exit.isFailure(
          yield* Effect.exit(Effect.flatMap(Dispatch.here(never, {}, cli), (run) => run.await).pipe(broken))
        )
      )
      const ends = (yield* log.list({})).map(({ attempts, status }) => `${status} after ${attempts} attempts`)
      assert.deepStrictEqual(ends, [
        "failed after 0 attempts",
        "interrupted after 0 attempts",
        "interrupted after 0 attempts"
      ])
    }).pipe(Effect.provide(MemoryRunLog.layer())))

  it.effect("G11 in a pool nothing is written between its answer and the handler, so a kill finds nothing in between", () =>
    Effect.gen(function*() {
      const seen: Array<string> = []
      const log = yield* RunLog.RunLog
      const pool = yield* TaskPool.make({ name: "gate", capacity: 1, drain: 0 })
      const task = Task.fn("gate.pooled", {}, () => Effect.sync(() => void seen.push("handler")))
      const noting = RunLog.RunLog.of({
        ...log,
        started: (id) => Effect.andThen(Effect.sync(() => void seen.push("started")), log.started(id))
      })
      const run = yield* Dispatch.pool(pool)(task, {}, cli).pipe(
        Effect.provideService(RunLog.RunLog, noting),
        Effect.provideService(RunGate.RunGate, Effect.sync(() => seen.push("asked") > 0))
      )
      yield* run.await
      assert.deepStrictEqual(seen, ["started", "asked", "handler"])
    }).pipe(Effect.provide(MemoryRunLog.layer())))

  it("G11 tells a dispatch that asks from one that does not", () => {
    const own = () => Effect.never
    assert.isTrue(RunGate.asks(Dispatch.here))
    assert.isFalse(RunGate.asks(own))
    assert.isTrue(RunGate.asks(RunGate.asking(own)))
  })
})
