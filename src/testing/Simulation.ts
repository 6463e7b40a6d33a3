/**
 * Runs a program many times, each time with another order of its fibers, other random numbers and other faults, all of
 * them decided by a seed, and with a clock that does not wait.
 *
 * One seed is one execution: run again, it does the same in the same order, to the last step. A seed that fails is
 * printed with the command that runs it again. What is promised holds for programs whose surroundings are simulated too:
 * no real file, network, thread or timer.
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { NodeInspectSymbol } from "effect/Inspectable"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as Scheduler from "effect/Scheduler"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { NextRunId, RunId } from "../core/TaskRun.ts"
import * as Chance from "./internal/chance.ts"
import * as Drive from "./internal/drive.ts"
import * as ReplayCommand from "./ReplayCommand.ts"
import * as SeededScheduler from "./SeededScheduler.ts"
import * as SimulatedClock from "./SimulatedClock.ts"

/**
 * A seed was stopped before the program ended.
 *
 * @category errors
 */
export class SimulationStopped extends Schema.TaggedError<SimulationStopped>()("SimulationStopped", {
  reason: Schema.Literals(["invariant", "answer", "stuck", "time", "turns"]),
  detail: Schema.String
}) {
  override get message() {
    return this.detail
  }
}

/**
 * A property did not hold for a seed.
 *
 * @category errors
 */
export class SimulationFailed extends Schema.TaggedError<SimulationFailed>()("SimulationFailed", {
  property: Schema.String,
  seed: Schema.Int,
  /** How many seeds were tried, with this one. */
  tried: Schema.Int,
  reason: Schema.String,
  /** What happened last, oldest first. */
  trace: Schema.Array(Schema.String),
  /** Runs this seed again. */
  replay: Schema.String
}) {
  override get message() {
    const events = this.trace.length === 0 ? [] : ["", "What happened last:", ...this.trace.map((line) => `  ${line}`)]
    return [
      `${this.property}: seed ${this.seed} fails, seed number ${this.tried} of those tried: ${this.reason}`,
      "",
      "Run it again:",
      `  ${this.replay}`,
      ...events
    ].join("\n")
  }

  // a test runner that shows the fields of an error instead of its message would hide the command among them
  override [NodeInspectSymbol]() {
    return this.message
  }
}

/**
 * The simulation that a program runs in.
 *
 * @category services
 */
export class Simulation extends Context.Service<Simulation, {
  readonly seed: number
  readonly scheduler: SeededScheduler.SeededScheduler
  /** Writes a line into the trace of the seed. */
  readonly note: (text: string) => void
  /** What has to hold after every step, from now on. */
  readonly always: (name: string, holds: () => boolean) => void
}>()("ostinato/testing/Simulation") {}

/**
 * How one seed is run.
 *
 * @category models
 */
export interface Options extends SeededScheduler.Options {
  /** The instant at which the clock begins. Defaults to the beginning of 1970. */
  readonly start?: DateTime.DateTime.Input | undefined
  /** The seed fails where the program has not ended by then, by its own clock. Defaults to `1000 days`. */
  readonly within?: Duration.Input | undefined
  /** The seed fails where the program takes more turns than this. Defaults to 10 million. */
  readonly turns?: number | undefined
  /**
   * How long to wait, by the real clock, for something outside of the simulation when nothing is left to do in it. Then
   * the program waits for ever, and the seed fails. Defaults to `250 millis`.
   */
  readonly outside?: Duration.Input | undefined
}

/**
 * What came of one seed.
 *
 * @category models
 */
export interface Outcome<out A, out E> {
  readonly seed: number
  readonly exit: Exit.Exit<A, E | SimulationStopped>
  readonly strategy: SeededScheduler.Strategy
  /** Turns of fibers. */
  readonly turns: number
  /** How much time has passed by the clock of the program, in milliseconds. */
  readonly simulatedMs: number
  /** One number for the order in which fibers ran. */
  readonly fingerprint: number
  /** The newest 200 lines: what the program logged and noted, faults, the fate of its nodes. */
  readonly trace: ReadonlyArray<string>
}

/**
 * Which seeds are run: so many from 1 on, or these.
 *
 * @category models
 */
export type Seeds = number | ReadonlyArray<number>

/**
 * Writes a line into the trace of the seed.
 *
 * @category combinators
 */
export const note = (text: string): Effect.Effect<void, never, Simulation> =>
  Effect.map(Simulation, (simulation) => simulation.note(text))

/**
 * What has to hold after every step of any fiber, from now on to the end of the seed. `holds` must be pure.
 *
 * @category combinators
 */
export const always = (name: string, holds: () => boolean): Effect.Effect<void, never, Simulation> =>
  Effect.map(Simulation, (simulation) => simulation.always(name, holds))

/**
 * Runs a program with one seed. A program that fails, dies, or gives `false` has failed for the seed, and so has one that
 * waits for something that nobody does any more.
 *
 * @category running
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import { Simulation } from "ostinato/testing"
 *
 * const outcome = await Effect.runPromise(Simulation.replay(Effect.sleep("30 days"), 1))
 * outcome.simulatedMs // => 30 * 24 * 3600 * 1000
 * ```
 */
export const replay = <A, E>(
  program: Effect.Effect<A, E, Simulation | Scope.Scope>,
  seed: number,
  options?: Options
): Effect.Effect<Outcome<A, E>> =>
  Effect.callback((resume) => start(program, seed, options ?? {}, (outcome) => resume(Effect.succeed(outcome))))

/**
 * What came of many seeds.
 *
 * @category models
 */
export interface Report<out A, out E> {
  readonly tried: number
  readonly failed: ReadonlyArray<Outcome<A, E>>
  /** How many different orders of fibers there were. */
  readonly orders: number
}

/**
 * Runs a program with every seed, one after the other, and gives those that failed.
 *
 * @category running
 */
export const run = <A, E>(
  program: Effect.Effect<A, E, Simulation | Scope.Scope>,
  options: Options & { readonly seeds: Seeds }
): Effect.Effect<Report<A, E>> =>
  Effect.gen(function*() {
    const failed: Array<Outcome<A, E>> = []
    const orders = new Set<number>()
    const seeds = listed(options.seeds)
    for (const seed of seeds) {
      const outcome = yield* replay(program, seed, options)
      orders.add(outcome.fingerprint)
      if (Exit.isFailure(outcome.exit)) failed.push(outcome)
    }
    return { tried: seeds.length, failed, orders: orders.size }
  })

/**
 * How a property is checked.
 *
 * @category models
 */
export interface CheckOptions extends Options {
  /** Defaults to 100. */
  readonly seeds?: Seeds | undefined
  /**
   * The command that runs one test, to which its file and name are added. Defaults to `npx vitest run` where vitest runs
   * this, else `node --test`.
   */
  readonly command?: string | undefined
  /** The file of the test, for that command. Defaults to the file that calls `check`. */
  readonly file?: string | undefined
}

/**
 * Checks that a program neither fails nor dies nor gives `false`, whatever the seed; stops at the first that does. The
 * name has to be that of the test, so that the command which is printed finds it. In the environment, `OSTINATO_SEED=7`
 * runs that seed alone, `OSTINATO_SEEDS=2000` that many.
 *
 * @category running
 * @example
 * ```ts
 * import { Effect, Ref } from "effect"
 * import { Simulation } from "ostinato/testing"
 *
 * const property = Effect.gen(function*() {
 *   const count = yield* Ref.make(0)
 *   const add = Effect.flatMap(Ref.get(count), (n) => Ref.set(count, n + 1)) // reads, then writes
 *   yield* Effect.all([add, add], { concurrency: "unbounded" })
 *   return (yield* Ref.get(count)) === 2
 * })
 *
 * const failure = await Effect.runPromise(Effect.flip(Simulation.check("counts both", property)))
 * failure.replay.startsWith(`OSTINATO_SEED=${failure.seed} `) // => true
 * ```
 */
export const check = <A, E>(
  name: string,
  program: Effect.Effect<A, E, Simulation | Scope.Scope>,
  options?: CheckOptions
): Effect.Effect<{ readonly tried: number }, SimulationFailed> =>
  checkFrom(ReplayCommand.caller(), name, program, options)

/**
 * `check` for a test runner that knows Promises only.
 *
 * @category running
 */
export const checkPromise = <A, E>(
  name: string,
  program: Effect.Effect<A, E, Simulation | Scope.Scope>,
  options?: CheckOptions
): Promise<{ readonly tried: number }> => Effect.runPromise(checkFrom(ReplayCommand.caller(), name, program, options))

const checkFrom = Effect.fnUntraced(function*<A, E>(
  file: string | undefined,
  name: string,
  program: Effect.Effect<A, E, Simulation | Scope.Scope>,
  options: CheckOptions | undefined
): Effect.fn.Return<{ readonly tried: number }, SimulationFailed> {
  const asked = yield* fromEnvironment
  const seeds = asked ?? listed(options?.seeds ?? 100)
  if (seeds.length === 0) return yield* Effect.die(new Error(`${name}: there is no seed to try, so it proves nothing`))
  let tried = 0
  for (const seed of seeds) {
    tried += 1
    const { exit, trace } = yield* replay(program, seed, options)
    if (Exit.isSuccess(exit)) continue
    const replayed = yield* ReplayCommand.make({ file: options?.file ?? file, name, seed, command: options?.command })
    const reason = reasonOf(exit.cause)
    return yield* new SimulationFailed({
      property: name,
      seed,
      tried,
      reason,
      trace: trace.slice(-20),
      replay: replayed
    })
  }
  return { tried }
})

const listed = (seeds: Seeds): ReadonlyArray<number> =>
  typeof seeds === "number" ? Array.from({ length: seeds }, (_, at) => at + 1) : seeds

const fromEnvironment = Effect.gen(function*() {
  const seed = yield* Config.option(Config.Int("OSTINATO_SEED"))
  const seeds = yield* Config.option(Config.Int("OSTINATO_SEEDS"))
  return Option.isSome(seed) ? [seed.value] : Option.isSome(seeds) ? listed(seeds.value) : undefined
}).pipe(Effect.orDie)

const reasonOf = (cause: Cause.Cause<unknown>): string => {
  const error = Cause.squash(cause)
  return error instanceof Error ? `${error.name === "Error" ? "" : `${error.name}: `}${error.message}` : String(error)
}

const start = <A, E>(
  program: Effect.Effect<A, E, Simulation | Scope.Scope>,
  seed: number,
  options: Options,
  done: (outcome: Outcome<A, E>) => void
): Effect.Effect<void> => {
  const began = options.start === undefined ? 0 : DateTime.toEpochMillis(DateTime.makeUnsafe(options.start))
  const clock = SimulatedClock.make(began)
  const simulatedMs = () => clock.currentTimeMillisUnsafe() - began
  const trace: Array<string> = []
  const invariants: Array<{ readonly name: string; readonly holds: () => boolean }> = []
  let isEnded = false

  const note = (text: string) => {
    if (trace.length >= 400) trace.splice(0, 200)
    trace.push(`${elapsed(simulatedMs())} ${text}`)
  }
  const finish = (exit: Exit.Exit<A, E | SimulationStopped>) => {
    if (isEnded) return
    isEnded = true
    drive.end()
    const { fingerprint, strategy, turns } = scheduler
    const newest = trace.slice(-200)
    done({
      seed,
      exit,
      strategy,
      turns: turns(),
      simulatedMs: simulatedMs(),
      fingerprint: fingerprint(),
      trace: newest
    })
  }
  const drive = Drive.make({
    scheduler: () => scheduler,
    clock,
    until: began + Duration.toMillis(Duration.fromInputUnsafe(options.within ?? "1000 days")),
    turns: options.turns ?? 10_000_000,
    outsideMs: Duration.toMillis(Duration.fromInputUnsafe(options.outside ?? "250 millis")),
    broken: () => invariants.find(({ holds }) => !holds())?.name,
    onStop: (reason, detail) => finish(Exit.fail(new SimulationStopped({ reason, detail })))
  })
  const scheduler = SeededScheduler.make(seed, { ...options, onReady: drive.wake })

  const chance = Chance.make(seed ^ 0x5eed)
  let runs = 0
  const context = Context.make(Scheduler.Scheduler, scheduler).pipe(
    Context.add(Clock.Clock, clock),
    Context.add(Random.Random, {
      nextDoubleUnsafe: chance.next,
      nextIntUnsafe: () => Math.floor((chance.next() - 0.5) * 2 * Number.MAX_SAFE_INTEGER)
    }),
    Context.add(
      NextRunId,
      Effect.sync(() => RunId.make(`00000000-0000-7000-8000-${String(++runs).padStart(12, "0")}`))
    ),
    Context.add(Logger.CurrentLoggers, new Set([Logger.make(({ message }) => note(String(message)))])),
    Context.add(Simulation, {
      seed,
      scheduler,
      note,
      always: (name, holds) => void invariants.push({ name, holds })
    })
  )
  const judged = Effect.flatMap(Effect.scoped(program), (answer) =>
    answer === false
      ? Effect.fail(new SimulationStopped({ reason: "answer", detail: "the property does not hold" }))
      : Effect.succeed(answer))
  Effect.runForkWith(context)(Effect.andThen(Effect.yieldNow, judged)).addObserver(finish)
  return Effect.sync(() => {
    isEnded = true
    drive.end()
  })
}

/** A time as `2d 03:04:05.678`. */
const elapsed = (milliseconds: number): string => {
  const two = (n: number) => String(Math.floor(n)).padStart(2, "0")
  const day = milliseconds % 86_400_000
  const time = `${two(day / 3_600_000)}:${two(day / 60_000 % 60)}:${two(day / 1000 % 60)}`
  return `${Math.floor(milliseconds / 86_400_000)}d ${time}.${String(Math.floor(day % 1000)).padStart(3, "0")}`
}
