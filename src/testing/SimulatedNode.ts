/**
 * A process among several in one simulation: it can be started, stopped, killed, held up, and started again.
 *
 *   down --start--> up --stop--> down
 *                   up --crash--> down: its fibers make no further step and none of their finalizers runs
 *                   up --pause--> paused --resume--> up: for everybody else time goes on
 *
 * What a node builds dies with it; what it got from outside, a store for instance, lives on.
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Random from "effect/Random"
import * as Scheduler from "effect/Scheduler"
import type * as Scope from "effect/Scope"
import type { Part } from "./SeededScheduler.ts"
import { Simulation } from "./Simulation.ts"

/**
 * The node in which a fiber runs; null outside of any.
 *
 * @category services
 */
export const CurrentNode = Context.Reference<SimulatedNode | null>("ostinato/testing/SimulatedNode/CurrentNode", {
  defaultValue: () => null
})

/**
 * A simulated process.
 *
 * @category models
 */
export interface SimulatedNode {
  readonly name: string
  /** Starts its program and does not wait for it. While it is up, does nothing. */
  readonly start: Effect.Effect<void>
  /** Closes the scope of its program and waits for that. While it is down, does nothing. */
  readonly stop: Effect.Effect<void>
  /** What `kill -9` does. While it is down, does nothing. */
  readonly crash: Effect.Effect<void>
  readonly pause: Effect.Effect<void>
  readonly resume: Effect.Effect<void>
  readonly isUp: Effect.Effect<boolean>
}

/**
 * A node with a program. Its scope stays open until the node stops. It begins down.
 *
 * @category constructors
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import { SimulatedNode, Simulation } from "ostinato/testing"
 *
 * const seen: Array<string> = []
 * const say = (text: string) => Effect.sync(() => void seen.push(text))
 * const program = Effect.gen(function*() {
 *   const node = yield* SimulatedNode.make("a", () => Effect.andThen(say("up"), Effect.addFinalizer(() => say("down"))))
 *   yield* node.start
 *   yield* Effect.sleep("1 hour")
 *   yield* node.crash
 *   yield* node.start
 *   yield* Effect.sleep("1 hour")
 *   yield* node.stop
 * })
 *
 * await Effect.runPromise(Simulation.replay(program, 1))
 * seen // => ["up", "up", "down"]
 * ```
 */
export const make = <R, E>(
  name: string,
  /** Gets whether the process that it runs in lives. */
  program: (isAlive: () => boolean) => Effect.Effect<unknown, E, R>,
  options?: {
    /** The longest time after a crash until it starts again by itself. Defaults to never. */
    readonly down?: Duration.Input | undefined
  }
): Effect.Effect<SimulatedNode, never, Simulation | Exclude<R, Scope.Scope>> =>
  Effect.gen(function*() {
    const simulation = yield* Simulation
    const context = yield* Effect.context<Exclude<R, Scope.Scope>>()
    let process: Process | undefined

    const start: Effect.Effect<void> = Effect.suspend(() => {
      if (process !== undefined) return Effect.void
      const part = simulation.scheduler.part()
      simulation.note(`node ${name} starts`)
      const life = Effect.scoped(Effect.andThen(program(part.isAlive), Effect.never)).pipe(
        Effect.onError((cause) =>
          Effect.sync(() => {
            if (process?.part === part && !process.isStopping) simulation.note(`node ${name} ended: ${String(cause)}`)
          })
        ),
        Effect.provideService(Scheduler.Scheduler, part.scheduler),
        Effect.provideService(CurrentNode, node),
        // has the scheduler of whoever made the node
        Effect.provideContext(context)
      )
      return Effect.map(Effect.forkDetach(life), (fiber) => {
        process = { part, fiber, isStopping: false }
      })
    })
    const withProcess = (use: (process: Process) => Effect.Effect<void>) =>
      Effect.suspend(() => process === undefined ? Effect.void : use(process))
    const told = (what: string, then: () => void) =>
      Effect.sync(() => {
        simulation.note(`node ${name} ${what}`)
        then()
      })

    const restart = options?.down === undefined
      ? Effect.void
      : Effect.flatMap(upTo(options.down), (pause) => Effect.andThen(Effect.sleep(pause), start)).pipe(
        Effect.forkDetach,
        // a node may crash itself: what starts it again is no part of it
        Effect.provideContext(context)
      )

    const node: SimulatedNode = {
      name,
      start,
      stop: withProcess((stopping) => {
        stopping.isStopping = true
        return Fiber.interrupt(stopping.fiber).pipe(
          Effect.andThen(told("stopped", () => process = undefined))
        )
      }),
      crash: withProcess(({ part }) =>
        Effect.andThen(
          restart,
          told("crashed", () => {
            process = undefined
            part.kill()
          })
        )
      ),
      pause: withProcess(({ part }) => told("is held up", part.pause)),
      resume: withProcess(({ part }) => told("goes on", part.resume)),
      isUp: Effect.sync(() => process !== undefined)
    }
    return node
  })

/**
 * Crashes one of the nodes by chance, again and again. Never ends.
 *
 * @category combinators
 */
export const crashing = (nodes: ReadonlyArray<SimulatedNode>, options: {
  /** The longest time between two crashes. */
  readonly every: Duration.Input
}): Effect.Effect<never> =>
  Effect.gen(function*() {
    yield* Effect.sleep(yield* upTo(options.every))
    const node = nodes[yield* Random.nextIntBetween(0, nodes.length - 1)]
    if (node !== undefined) yield* node.crash
  }).pipe(Effect.forever)

/**
 * Holds up one of the nodes by chance, again and again. Never ends.
 *
 * @category combinators
 */
export const pausing = (nodes: ReadonlyArray<SimulatedNode>, options: {
  /** The longest time between two pauses. */
  readonly every: Duration.Input
  /** The longest pause. */
  readonly longest: Duration.Input
}): Effect.Effect<never> =>
  Effect.gen(function*() {
    yield* Effect.sleep(yield* upTo(options.every))
    const node = nodes[yield* Random.nextIntBetween(0, nodes.length - 1)]
    if (node === undefined) return
    yield* node.pause
    yield* Effect.sleep(yield* upTo(options.longest))
    yield* node.resume
  }).pipe(Effect.forever)

const upTo = (longest: Duration.Input) =>
  Random.nextIntBetween(1, Math.max(1, Duration.toMillis(Duration.fromInputUnsafe(longest))))

interface Process {
  readonly part: Part
  readonly fiber: Fiber.Fiber<never, unknown>
  isStopping: boolean
}
