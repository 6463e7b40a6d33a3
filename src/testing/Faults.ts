/**
 * What goes wrong around a program, put in by chance: calls that fail, take long, are done although they seem to have
 * failed, break, or meet an interruption of their caller.
 *
 * The chances come from the program's `Random`, so in a simulation a seed repeats every fault. Each is told to the trace.
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as Scheduler from "effect/Scheduler"
import { CurrentNode, type SimulatedNode } from "./SimulatedNode.ts"
import { Simulation } from "./Simulation.ts"

/**
 * How likely each fault is at a call, between 0 and 1. All default to 0.
 *
 * @category models
 */
export interface Rates {
  /** The call takes some time first. */
  readonly delay?: number | undefined
  /** The longest delay. Defaults to `1 second`. */
  readonly slowest?: Duration.Input | undefined
  /** The call fails, and nothing was done. */
  readonly unavailable?: number | undefined
  /** The call is done, and fails all the same: its caller cannot know. */
  readonly unknown?: number | undefined
  /** The call dies, and nothing was done. */
  readonly defect?: number | undefined
  /** The fiber that calls is interrupted. */
  readonly interruption?: number | undefined
  /** The simulated node that calls crashes, at some moment of the call. */
  readonly crash?: number | undefined
  /** The simulated node that calls is held up, at some moment of the call. */
  readonly pause?: number | undefined
  /** The longest pause. Defaults to `1 minute`. */
  readonly longest?: Duration.Input | undefined
}

/**
 * The faults of a program.
 *
 * @category services
 */
export class Faults extends Context.Service<Faults, {
  /** What happens at a call. */
  readonly at: <A, E, R, E2>(
    operation: string,
    call: Effect.Effect<A, E, R>,
    unavailable: (operation: string) => E2
  ) => Effect.Effect<A, E | E2, R>
  /** From now on nothing goes wrong any more. */
  readonly calm: Effect.Effect<void>
  /** How many there have been. */
  readonly count: Effect.Effect<number>
}>()("ostinato/testing/Faults") {}

/**
 * Faults with these chances. All of them are drawn from the `Random` of whoever calls.
 *
 * @category layers
 */
export const layer = (rates: Rates): Layer.Layer<Faults> =>
  Layer.sync(Faults, () => {
    const slowest = Duration.toMillis(Duration.fromInputUnsafe(rates.slowest ?? "1 second"))
    const longest = Duration.toMillis(Duration.fromInputUnsafe(rates.longest ?? "1 minute"))
    let isCalm = false
    let count = 0
    const happens = (rate: number | undefined, what: string) =>
      rate === undefined || rate === 0
        ? Effect.succeed(false)
        : Effect.flatMap(
          Random.next,
          (drawn) => drawn < rate && !isCalm ? Effect.as(told(what), true) : Effect.succeed(false)
        )
    const told = (what: string) =>
      Effect.map(Effect.serviceOption(Simulation), (simulation) => {
        count += 1
        if (Option.isSome(simulation)) simulation.value.note(`fault: ${what}`)
      })

    return Faults.of({
      at: (operation, call, unavailable) =>
        Effect.gen(function*() {
          if (isCalm) return yield* call
          if (yield* happens(rates.delay, `${operation} takes long`)) {
            yield* Effect.sleep(yield* Random.nextIntBetween(1, Math.max(1, slowest)))
          }
          if (yield* happens(rates.crash, `${operation} meets a crash`)) yield* soon((node) => node.crash)
          if (yield* happens(rates.pause, `${operation} meets a pause`)) yield* soon(heldUp(longest))
          if (yield* happens(rates.interruption, `${operation} is interrupted`)) yield* interruptSelf
          if (yield* happens(rates.defect, `${operation} dies`)) {
            return yield* Effect.die(new Error(`simulated defect at ${operation}`))
          }
          if (yield* happens(rates.unavailable, `${operation} fails`)) return yield* Effect.fail(unavailable(operation))
          if (!(yield* happens(rates.unknown, `${operation} is done and seems to fail`))) return yield* call
          yield* call
          return yield* Effect.fail(unavailable(operation))
        }),
      calm: Effect.sync(() => {
        isCalm = true
      }),
      count: Effect.sync(() => count)
    })
  })

/**
 * From now on nothing goes wrong any more: what is to happen in the end can be checked then.
 *
 * @category combinators
 */
export const calm: Effect.Effect<void, never, Faults> = Effect.flatMap(Faults, (faults) => faults.calm)

/**
 * Puts faults around everything that a service does: its effects, and its methods that give effects.
 *
 * @category combinators
 */
export const around = <S extends object>(service: S, options: {
  /** Stands before the names of operations. */
  readonly name: string
  /** The error of a call that could not be made. */
  readonly unavailable: (operation: string) => ErrorOf<S>
}): Effect.Effect<S, never, Faults> =>
  Effect.map(Faults, (faults) => {
    const faulty = (name: string, value: unknown): unknown => {
      const operation = `${options.name}.${name}`
      if (Effect.isEffect(value)) return faults.at(operation, value, options.unavailable)
      if (typeof value !== "function") return value
      return (...arguments_: ReadonlyArray<unknown>) => {
        const answer: unknown = Reflect.apply(value, service, arguments_)
        return Effect.isEffect(answer) ? faults.at(operation, answer, options.unavailable) : answer
      }
    }
    const entries = Object.entries(service).map(([name, value]): [string, unknown] => [name, faulty(name, value)])
    // every member keeps its type: what is added to an effect is an error that it has already
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- as said
    return Object.fromEntries(entries) as S
  })

/**
 * The same Layer, with faults around its service.
 *
 * @category layers
 */
export const inLayer = <I, S extends object>(service: Context.Key<I, S>, options: {
  /** The error of a call that could not be made. */
  readonly unavailable: (operation: string) => ErrorOf<S>
}) =>
<E, R>(self: Layer.Layer<I, E, R>): Layer.Layer<I, E, R | Faults> =>
  Layer.effect(service, Effect.flatMap(service, (made) => around(made, { ...options, name: nameOf(service.key) })))
    .pipe(
      Layer.provide(self)
    )

/**
 * Every error that a service may answer.
 *
 * @category models
 */
export type ErrorOf<S> = {
  [K in keyof S]: S[K] extends Effect.Effect<infer _A, infer E, infer _R> ? E
    : S[K] extends (...args: never) => Effect.Effect<infer _A, infer E, infer _R> ? E
    : never
}[keyof S]

const interruptSelf = Effect.andThen(
  Effect.withFiber((fiber) => Effect.sync(() => fiber.interruptUnsafe())),
  Effect.yieldNow
)

/** Does something to the node of the caller some turns from now, from outside of that node. */
const soon = Effect.fnUntraced(function*(what: (node: SimulatedNode) => Effect.Effect<void>) {
  const node = yield* CurrentNode
  const simulation = yield* Effect.serviceOption(Simulation)
  const turns = yield* Random.nextIntBetween(0, 12)
  if (node === null || Option.isNone(simulation)) return
  yield* Effect.andThen(Effect.repeat(Effect.yieldNow, { times: turns }), what(node)).pipe(
    Effect.forkDetach,
    Effect.provideService(Scheduler.Scheduler, simulation.value.scheduler)
  )
})

const heldUp = (longest: number) => (node: SimulatedNode) =>
  Effect.gen(function*() {
    yield* node.pause
    yield* Effect.sleep(yield* Random.nextIntBetween(1, Math.max(1, longest)))
    yield* node.resume
  })

const nameOf = (key: string) => key.split("/").at(-1) ?? key
