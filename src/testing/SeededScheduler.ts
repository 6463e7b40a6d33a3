/**
 * Runs ready fibers in an order that a seed decides, and lets them be interrupted by others between any two steps.
 *
 * The default scheduler runs fibers first come, first served, and lets each go on for 2,048 operations: most orders in
 * which a program may run on a busy machine are never seen by its tests. This one chooses who runs next and who has to
 * yield. Equal seeds choose equally, so that an order which breaks a program can be had again; different seeds explore.
 */
import * as Layer from "effect/Layer"
import * as Scheduler from "effect/Scheduler"
import * as Chance from "./internal/chance.ts"

/**
 * How the next fiber is chosen. `uniform`: each that is ready is as likely. `priorities`: by a random rank, which changes
 * a few times, so that some fibers are far ahead of others. `default`: the order of Effect's own scheduler, for
 * comparison.
 *
 * @category models
 */
export type Strategy = "uniform" | "priorities" | "default"

/**
 * What may be laid down apart from the seed.
 *
 * @category models
 */
export interface Options {
  /** Defaults to what the seed says, one of `uniform` and `priorities`. */
  readonly strategy?: Strategy | undefined
  /**
   * How likely a fiber yields at each of its operations. Defaults to what the seed says: 0, 0.05, 0.15 or 0.3. At most
   * 0.4, because a yield takes two operations itself.
   */
  readonly yields?: number | undefined
}

/**
 * A scheduler whose every choice its seed decides.
 *
 * @category models
 */
export interface SeededScheduler extends Scheduler.Scheduler {
  readonly seed: number
  readonly strategy: Strategy
  readonly yields: number
  /** How many turns of fibers it has run. */
  readonly turns: () => number
  /** One number for all choices so far: equal where fibers ran in the same order. */
  readonly fingerprint: () => number
  /** Fibers that wait for their turn. */
  readonly ready: () => number
  /** Gives one fiber a turn. `false`: none is ready. */
  readonly turn: () => boolean
  /** A part of the program that can be stopped dead, or held up, apart from the rest. */
  readonly part: () => Part
}

/**
 * The scheduler of a part of the program, e.g. of one process among several that are simulated.
 *
 * @category models
 */
export interface Part {
  readonly scheduler: Scheduler.Scheduler
  /** Its fibers make no further step, and none of their finalizers runs: what a killed process does. */
  readonly kill: () => void
  /** Its fibers get no turn until it resumes: what a process does that the machine gives no time. */
  readonly pause: () => void
  readonly resume: () => void
  readonly isAlive: () => boolean
}

/**
 * Makes the scheduler of a seed. It runs by itself, as the default one does, where `onReady` is absent; else it calls
 * `onReady` when a fiber becomes ready, and whoever called `make` gives the turns.
 *
 * @category constructors
 * @example
 * ```ts
 * import { Effect, Scheduler } from "effect"
 * import { SeededScheduler } from "ostinato/testing"
 *
 * const order = (seed: number) => {
 *   const seen: Array<string> = []
 *   const fiber = (name: string) => Effect.andThen(Effect.yieldNow, Effect.sync(() => seen.push(name)))
 *   return Effect.all([fiber("a"), fiber("b"), fiber("c"), fiber("d")], { concurrency: "unbounded" }).pipe(
 *     Effect.provideService(Scheduler.Scheduler, SeededScheduler.make(seed)),
 *     Effect.map(() => seen.join(" "))
 *   )
 * }
 *
 * const once = await Effect.runPromise(order(7))
 * const again = await Effect.runPromise(order(7))
 * once === again // => true
 * ```
 */
export const make = (
  seed: number,
  options?: Options & {
    readonly onReady?: (() => void) | undefined
  }
): SeededScheduler => {
  const chance = Chance.make(seed)
  // both are drawn in any case, so that what follows is the same
  const drawn = {
    strategy: chance.pick<Strategy>(["uniform", "priorities"]),
    yields: chance.pick([0, 0.05, 0.15, 0.3])
  }
  const strategy = options?.strategy ?? drawn.strategy
  const yields = Math.min(0.4, options?.yields ?? drawn.yields)
  const ready: Array<Ready> = []
  const isDefault = strategy === "default"
  let turns = 0
  let fingerprint = 0
  let changes = [chance.below(200), chance.below(1000)]

  const runAll = () => {
    // a bound, so that promises and timers get their turn too
    for (let n = 0; n < 1000 && turn(); n++);
    if (ready.length > 0) setImmediate(runAll)
  }
  const onReady = options?.onReady ?? (() => void (ready.length === 1 && setImmediate(runAll)))
  const add = (one: Ready) => {
    ready.push(one)
    onReady()
  }

  const first = () => ready.reduce((best, { lane }, at) => lane.rank > (ready[best]?.lane.rank ?? -1) ? at : best, 0)
  const choose = () => {
    if (isDefault || ready.length < 2) return 0
    // a fiber that waits in a loop for another one would hold it up for ever
    if (strategy === "uniform" || chance.next() < 0.1) return chance.below(ready.length)
    if (turns >= (changes[0] ?? Infinity)) {
      changes = changes.slice(1)
      const lane = ready[first()]?.lane
      if (lane !== undefined) lane.rank = 0
    }
    return first()
  }
  const turn = () => {
    if (ready.length === 0) return false
    const at = choose()
    fingerprint = Chance.mixed(Chance.mixed(fingerprint, at), ready.length)
    const [one] = ready.splice(at, 1)
    turns += 1
    one?.run()
    return true
  }

  const part = (): Part => {
    let state: "running" | "paused" | "dead" = "running"
    let held: Array<Ready> = []
    const inner = new Scheduler.MixedScheduler("async", (run) => {
      accept({ run, lane: { rank: 0 } })
      return () => {}
    })
    const accept = (one: Ready) => {
      if (state === "dead") return
      if (state === "paused") held.push(one)
      else add({ ...one, run: () => state === "paused" ? held.push(one) : state === "running" && one.run() })
    }
    return {
      scheduler: {
        executionMode: "async",
        shouldYield: (fiber) =>
          state !== "running" ||
          (isDefault ? inner.shouldYield(fiber) : chance.next() < yields || inner.shouldYield(fiber)),
        makeDispatcher: () => {
          if (isDefault) return inner.makeDispatcher()
          const lane = { rank: chance.next() }
          return {
            scheduleTask: (run) => accept({ run, lane }),
            flush: () => {
              while (turn());
            }
          }
        }
      },
      kill: () => {
        state = "dead"
        held = []
      },
      pause: () => {
        if (state === "running") state = "paused"
      },
      resume: () => {
        if (state !== "paused") return
        state = "running"
        for (const one of held.splice(0)) accept(one)
      },
      isAlive: () => state !== "dead"
    }
  }

  const { scheduler } = part()
  return {
    executionMode: "async",
    makeDispatcher: () => scheduler.makeDispatcher(),
    shouldYield: (fiber) => scheduler.shouldYield(fiber),
    seed,
    strategy,
    yields,
    turns: () => turns,
    fingerprint: () => fingerprint,
    ready: () => ready.length,
    turn,
    part
  }
}

/**
 * Runs a program with the scheduler of a seed, e.g. a test of its own under Effect's `TestClock`.
 *
 * @category layers
 */
export const layer = (seed: number, options?: Options): Layer.Layer<never> =>
  Layer.succeed(Scheduler.Scheduler, make(seed, options))

interface Ready {
  readonly run: () => void
  readonly lane: Lane
}

/** What the turns of one fiber have in common. */
interface Lane {
  /** The highest goes first. */
  rank: number
}
