/** A pool opened: checks the options, puts the parts together, and gives the operations that `TaskPool` types. */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Result from "effect/Result"
import * as Scheduler from "effect/Scheduler"
import type * as Scope from "effect/Scope"
import { PoolClosed, PoolFull, PoolInvalid } from "../../PoolError.ts"
import * as PoolMetrics from "../../PoolMetrics.ts"
import type { Capacity, Figures, Options, PoolReport, SubmitOptions } from "../../TaskPool.ts"
import { carrier } from "./carry.ts"
import { Engine } from "./Engine.ts"
import type { Recorded } from "./prepare.ts"
import * as Report from "./report.ts"
import { type Given, millis, settler, sizeOf } from "./settings.ts"
import { shutdown } from "./shutdown.ts"
import { Submission } from "./Submission.ts"

export const TypeId = "~ostinato/TaskPool"

type Refused = PoolFull | PoolClosed

export interface Opened {
  readonly api: Api
  readonly timeout: Duration.Duration
  /** The context in which the submitter's work would run. */
  readonly carried: (from: Context.Context<never>) => Context.Context<never>
  readonly submit: (submission: Submission) => Effect.Effect<Submission, Refused>
  readonly submission: (
    run: Recorded,
    options: SubmitOptions,
    grace: Duration.Duration,
    context: Context.Context<never>
  ) => Submission
}

interface Api {
  readonly name: string
  readonly submit: (work: Given, options?: SubmitOptions) => Effect.Effect<Submission, Refused>
  readonly trySubmit: (work: Given, options?: SubmitOptions) => Result.Result<Submission, Refused>
  readonly run: (work: Given, options?: SubmitOptions) => Effect.Effect<unknown, unknown>
  readonly figures: Effect.Effect<Figures>
  readonly resize: (capacity: Capacity) => Effect.Effect<void, PoolInvalid>
  readonly shutdown: (options?: {
    readonly drain?: Duration.Input | undefined
    readonly grace?: Duration.Input | undefined
  }) => Effect.Effect<PoolReport>
  readonly start: Effect.Effect<void, PoolClosed>
}

export const open = (
  options: Options,
  context: Context.Context<never>
): Effect.Effect<Opened, PoolInvalid, Scope.Scope> =>
  Effect.gen(function*() {
    const { grace = "3 seconds", maxWaiting = 10_000, name, onFull = "backpressure" } = options
    const size = yield* sizeOf(name, options.capacity, options.cores)
    if (maxWaiting !== "none" && (!Number.isInteger(maxWaiting) || maxWaiting < 0)) {
      return yield* new PoolInvalid({
        pool: name,
        option: "maxWaiting",
        detail: `is ${maxWaiting}: give a whole number, 0 for no bound, or "none"`
      })
    }
    const ageing = millis(options.ageing ?? "10 seconds")
    const clock = yield* Clock.Clock
    const now = () => clock.currentTimeMillisUnsafe()
    const engine = new Engine({
      name,
      size,
      maxWaiting: maxWaiting === "none" ? 0 : maxWaiting === 0 ? Infinity : maxWaiting,
      dropsOldest: onFull === "dropOldest",
      ageing: ageing === -1 ? Infinity : ageing,
      context,
      clock,
      dispatcher: Context.get(context, Scheduler.Scheduler).makeDispatcher(),
      report: Report.make({ pool: name, context, now, onDefect: options.onDefect })
    })
    const read = () => figuresOf(engine)
    yield* Effect.provideContext(PoolMetrics.show(name, onFull, read), context)
    const { settingsOf, settle } = settler(options)
    const carried = carrier(context)
    let lastFull: PoolFull | undefined
    // a flood of refusals says the same again and again
    const full = () => {
      const capacity = engine.size
      const waiting = engine.line.size
      if (lastFull?.capacity !== capacity || lastFull.waiting !== waiting) {
        lastFull = new PoolFull({ pool: name, capacity, waiting })
      }
      return lastFull
    }
    const closed = new PoolClosed({ pool: name })

    const make = (work: Given, options: SubmitOptions | undefined, from: Context.Context<never>) =>
      settle(work, options, (prepared, settings) => new Submission(engine, settings, prepared, carried(from)))

    const refuse = (outcome: "full" | "closed") => {
      if (outcome === "closed") return closed
      engine.reject(onFull)
      return full()
    }
    const submit = (submission: Submission): Effect.Effect<Submission, Refused> => {
      const outcome = engine.offer(submission)
      if (outcome === "accepted") return Effect.succeed(submission)
      if (outcome === "full" && onFull === "backpressure") {
        return Effect.callback<Submission, Refused>((resume) => {
          const leave = engine.block(
            submission,
            (isAccepted) => resume(isAccepted ? Effect.succeed(submission) : Effect.fail(closed))
          )
          return Effect.sync(leave)
        })
      }
      if (outcome === "full" && onFull === "callerRuns") {
        engine.outside(submission)
        return Effect.onInterrupt(Effect.as(Effect.exit(submission.await), submission), () => submission.cancel)
      }
      return Effect.fail(refuse(outcome))
    }

    let closing: Deferred.Deferred<PoolReport> | undefined
    let isOver = false
    const close = Effect.fnUntraced(function*(within: Parameters<Api["shutdown"]>[0]) {
      if (closing !== undefined) {
        yield* Deferred.await(closing)
        return { completed: 0, interrupted: 0, abandoned: 0 }
      }
      closing = yield* Deferred.make<PoolReport>()
      const report = yield* shutdown(engine, within?.drain ?? options.drain ?? "10 seconds", within?.grace ?? grace)
      yield* Effect.logInfo(
        `pool ${name} was shut down: ${report.completed} completed, ${report.interrupted} interrupted, ${report.abandoned} abandoned`
      )
      yield* Deferred.succeed(closing, report)
      return report
    })
    const stop = (within?: Parameters<Api["shutdown"]>[0]) =>
      Effect.uninterruptible(Effect.provideContext(close(within), context))
    yield* Effect.addFinalizer(() => {
      isOver = true
      return stop()
    })

    return {
      timeout: Duration.fromInputUnsafe(options.timeout ?? "5 minutes"),
      carried,
      submit,
      submission: (run, options, grace, context) =>
        new Submission(engine, settingsOf(options, { grace }), run, context),
      api: {
        name,
        submit: (work, options) => Effect.withFiber((fiber) => submit(make(work, options, fiber.context))),
        trySubmit: (work, options) => {
          const submission = make(work, options, Fiber.getCurrent()?.context ?? context)
          const outcome = engine.offer(submission)
          return outcome === "accepted" ? Result.succeed(submission) : Result.fail(refuse(outcome))
        },
        run: (work, options) =>
          Effect.uninterruptibleMask((restore) =>
            Effect.withFiber((fiber) => {
              const submission = make(work, options, fiber.context)
              // an interruption may come when it has just been accepted
              return Effect.onInterrupt(
                Effect.flatMap(restore(submit(submission)), () => restore(submission.await)),
                () => submission.place === "offered" ? Effect.void : submission.cancel
              )
            })
          ),
        figures: Effect.sync(read),
        resize: (capacity) => Effect.map(sizeOf(name, capacity, options.cores), (size) => engine.resize(size)),
        shutdown: stop,
        start: Effect.suspend(() => {
          if (isOver) return Effect.fail(closed)
          if (closing === undefined) return Effect.void
          return Effect.flatMap(Deferred.await(closing), () => {
            if (isOver) return Effect.fail(closed)
            closing = undefined
            engine.isOpen = true
            return Effect.void
          })
        })
      }
    }
  })

const figuresOf = (engine: Engine): Figures => {
  const { counts, line, running, size } = engine
  const capacity = Math.max(size, running)
  return {
    capacity,
    running,
    free: capacity - running,
    waiting: line.size,
    blocked: engine.waitingForRoom,
    outside: engine.outsiders.size,
    ...counts
  }
}
