import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/testing/TestClock"
import * as Tracer from "effect/Tracer"
import { Attempt, Dispatch, MemoryRunLog, RunLog, Task } from "ostinato"

class Busy extends Schema.TaggedError<Busy>()("Busy", { seat: Schema.Int }) {}

const Double = Task.make("test.double", {
  payload: { n: Schema.Finite },
  success: Schema.Finite,
  error: Busy
})

const Slow = Task.make("test.slow", { success: Schema.String, timeout: "1 minute" })

const dispatch = <Name extends string, P extends Task.Storable, S extends Task.Storable, E extends Task.Storable, R>(
  task: Task.Task<Name, P, S, E, R>,
  payload: P["Type"]
) => Dispatch.here(task, payload, { kind: "code" })

const latest = Effect.flatMap(
  RunLog.RunLog,
  (log) => Effect.flatMap(log.list({ limit: 1 }), ([run]) => Effect.fromNullishOr(run))
)

const log = MemoryRunLog.layer()

describe("Task", () => {
  describe("toLayer", () => {
    it.effect("S0.36 calls the handler once with the payload and gives its typed value", () => {
      let calls = 0
      const live = Double.toLayer(({ n }) =>
        Effect.sync(() => {
          calls += 1
          return n * 2
        })
      )
      return Effect.gen(function*() {
        const run = yield* dispatch(Double, { n: 21 })
        const value: number = yield* run.await
        assert.deepStrictEqual([value, calls], [42, 1])
      }).pipe(Effect.provide([live, log]))
    })

    it.effect("gives the handler the services of its Layer and an attempt of its own", () => {
      class Greeting extends Context.Service<Greeting, string>()("ostinato/test/core/Task.test/Greeting") {}
      const seen: Array<string> = []
      const live = Slow.toLayer(() =>
        Effect.gen(function*() {
          const attempt = yield* Attempt.Attempt
          seen.push(`${attempt.task} ${attempt.number} ${attempt.runId}`)
          return yield* Greeting
        })
      ).pipe(Layer.provide(Layer.succeed(Greeting, "hello")))
      return Effect.gen(function*() {
        const run = yield* dispatch(Slow, {})
        assert.strictEqual(yield* run.await, "hello")
        assert.deepStrictEqual(seen, [`test.slow 1 ${run.id}`])
      }).pipe(Effect.provide([live, log]))
    })

    it.effect("runs the handler under the span of its run, not under the one that built its Layer", () => {
      const live = Slow.toLayer(() => Effect.map(Effect.currentSpan, (span) => span.name).pipe(Effect.orDie))
      return Effect.gen(function*() {
        assert.strictEqual(yield* (yield* dispatch(Slow, {})).await, "run test.slow")
      }).pipe(
        Effect.provide([live.pipe(Layer.provide(Layer.span("build"))), log]),
        Effect.provideService(Tracer.ParentSpan, Tracer.externalSpan({ spanId: "1", traceId: "2" }))
      )
    })
  })

  describe("outcome", () => {
    it.effect("keeps the type and the fields of a declared error, and records it", () =>
      Effect.gen(function*() {
        const run = yield* dispatch(Double, { n: 1 })
        const error = yield* Effect.flip(run.await)
        assert.deepStrictEqual(error, new Busy({ seat: 7 }))
        const recorded = yield* latest
        assert.strictEqual(recorded.status, "failed")
        assert.deepStrictEqual([recorded.failure?.kind, recorded.failure?.tag], ["failure", "Busy"])
      }).pipe(Effect.provide([Double.toLayer(() => Effect.fail(new Busy({ seat: 7 }))), log])))

    const throwers = {
      "a thrown string": Effect.sync(() => {
        throw "text"
      }),
      "a thrown undefined": Effect.sync(() => {
        throw undefined
      }),
      "a rejected promise": Effect.promise(() => Promise.reject(new RangeError("far")))
    }
    for (const [what, body] of Object.entries(throwers)) {
      it.effect(`S1.26 S0.18 captures ${what} as a defect, and the next run is not harmed`, () => {
        let broken = true
        const live = Slow.toLayer(() => Effect.suspend(() => broken ? body : Effect.succeed("well")))
        return Effect.gen(function*() {
          const exit = yield* Effect.exit((yield* dispatch(Slow, {})).await)
          assert.isTrue(Exit.isFailure(exit) && Cause.hasDies(exit.cause))
          const recorded = yield* latest
          assert.deepStrictEqual([recorded.status, recorded.failure?.kind], ["failed", "defect"])
          broken = false
          assert.strictEqual(yield* (yield* dispatch(Slow, {})).await, "well")
        }).pipe(Effect.provide([live, log]))
      })
    }

    it.effect("S0.18 S2.71 ends an attempt at its timeout with a TaskTimeout that names task and limit", () =>
      Effect.gen(function*() {
        const fiber = yield* Effect.forkChild(dispatch(Slow, {}))
        yield* TestClock.adjust("59 seconds")
        assert.isUndefined(fiber.pollUnsafe())
        yield* TestClock.adjust("1 second")
        const error = yield* Effect.flip((yield* Fiber.join(fiber)).await)
        assert.strictEqual(error._tag, "TaskTimeout")
        assert.include(error.message, "test.slow ran longer than 60000 ms")
        assert.strictEqual((yield* latest).runMs, 60_000)
      }).pipe(Effect.provide([Slow.toLayer(() => Effect.never), log])))

    it.effect("records an interrupted run as interrupted", () =>
      Effect.gen(function*() {
        const started = yield* Latch.make()
        const live = Slow.toLayer(() => Effect.andThen(started.open, Effect.never))
        const fiber = yield* Effect.forkChild(Effect.provide(dispatch(Slow, {}), live))
        yield* started.await
        yield* Fiber.interrupt(fiber)
        const recorded = yield* latest
        assert.deepStrictEqual([recorded.status, recorded.failure?.kind], ["interrupted", "interruption"])
      }).pipe(Effect.provide(log)))

    it.effect("runs nothing of a payload that does not fit, and says where", () => {
      let calls = 0
      const live = Double.toLayer(() => Effect.sync(() => ++calls))
      return Effect.gen(function*() {
        const error = yield* Effect.flip(Task.decodePayload(Double, { n: "many" }))
        assert.strictEqual(error._tag, "PayloadInvalid")
        assert.include(error.message, "test.double")
        assert.include(error.message, "\"n\"")
        assert.strictEqual(calls, 0)
        assert.deepStrictEqual(yield* Task.decodePayload(Double, { n: 3 }), { n: 3 })
      }).pipe(Effect.provide([live, log]))
    })
  })

  describe("a result that cannot be stored", () => {
    const outcomes: Record<string, readonly [value: unknown, status: string, tag: string]> = {
      "does not fit its Schema": [1.5, "failed", "ResultInvalid"],
      "throws when it is read": [
        Object.defineProperty({}, "valueOf", { get: () => assert.fail("read") }),
        "failed",
        "ResultInvalid"
      ]
    }
    for (const [what, [value, status, tag]] of Object.entries(outcomes)) {
      it.effect(`is a failure of the run: ${what}`, () => {
        const Count = Task.make("test.count", { success: Schema.Int })
        // a handler in plain JavaScript may give anything
        // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- as said
        const live = Count.toLayer(() => Effect.succeed(value as number))
        return Effect.gen(function*() {
          const exit = yield* Effect.exit((yield* dispatch(Count, {})).await)
          assert.isTrue(Exit.isFailure(exit))
          const run = yield* latest
          assert.deepStrictEqual([run.status, run.failure?.tag, run.output], [status, tag, null])
        }).pipe(Effect.provide([live, log]))
      })
    }

    it.effect("ends the run although the failure itself cannot be read", () => {
      class Trap extends Error {
        override get message(): string {
          throw new Error("again")
        }
      }
      return Effect.gen(function*() {
        yield* Effect.exit((yield* dispatch(Slow, {})).await)
        const run = yield* latest
        assert.deepStrictEqual([run.status, run.failure?.tag], ["failed", "Unreadable"])
      }).pipe(Effect.provide([Slow.toLayer(() => Effect.die(new Trap())), log]))
    })
  })

  describe("scope of an attempt", () => {
    const bodies: Record<string, Effect.Effect<string>> = {
      success: Effect.succeed("done"),
      defect: Effect.die("broken"),
      timeout: Effect.never
    }
    for (const [how, body] of Object.entries(bodies)) {
      it.effect(`has ended its finalizers before the run is recorded: ${how}`, () => {
        const events: Array<string> = []
        const live = Slow.toLayer(() =>
          Effect.andThen(Effect.addFinalizer(() => Effect.sync(() => events.push("released"))), body)
        )
        const watched = Layer.effect(
          RunLog.RunLog,
          Effect.map(
            RunLog.RunLog,
            (log) =>
              RunLog.RunLog.of({
                ...log,
                end: (id, end) => Effect.tap(log.end(id, end), () => Effect.sync(() => events.push(end.status)))
              })
          )
        ).pipe(Layer.provide(log))
        return Effect.gen(function*() {
          const fiber = yield* Effect.forkChild(dispatch(Slow, {}))
          yield* TestClock.adjust("2 minutes")
          yield* Fiber.join(fiber)
          assert.deepStrictEqual(events, ["released", how === "success" ? "completed" : "failed"])
        }).pipe(Effect.provide([live, watched]))
      })
    }
  })

  describe("retry", () => {
    it.effect("S3.26 attempts again after a typed failure as its schedule says, each attempt with its number", () => {
      const Flaky = Task.make("test.flaky", { error: Busy, success: Schema.Int, retry: Schedule.spaced("10 seconds") })
      const live = Flaky.toLayer(() =>
        Effect.flatMap(
          Attempt.Attempt,
          ({ number }) => number < 3 ? Effect.fail(new Busy({ seat: number })) : Effect.succeed(number)
        )
      )
      return Effect.gen(function*() {
        const fiber = yield* Effect.forkChild(dispatch(Flaky, {}))
        yield* TestClock.adjust("20 seconds")
        assert.strictEqual(yield* (yield* Fiber.join(fiber)).await, 3)
        const run = yield* latest
        assert.deepStrictEqual([run.attempts, run.runMs], [3, 20_000])
      }).pipe(Effect.provide([live, log]))
    })

    it.effect("S2.81 does not attempt again by default", () => {
      let calls = 0
      const live = Double.toLayer(() =>
        Effect.suspend(() => {
          calls += 1
          return Effect.fail(new Busy({ seat: 1 }))
        })
      )
      return Effect.gen(function*() {
        yield* Effect.flip((yield* dispatch(Double, { n: 1 })).await)
        yield* TestClock.adjust("1 day")
        assert.strictEqual(calls, 1)
      }).pipe(Effect.provide([live, log]))
    })
  })
})
