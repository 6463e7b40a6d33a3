/**
 * How far an Effect `Schedule` has come, as data, and the live schedule at that place.
 *
 * A schedule is a program with hidden state. What is stored are the instants at which it was asked and the seed of its
 * random numbers: asked again at the same instants it stands where it stood. Instants in the middle of a very long
 * history are not kept; they are taken as evenly spaced.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Pull from "effect/Pull"
import * as Random from "effect/Random"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"

/** How far a schedule has come. Instants are milliseconds since 1970. */
export const Steps = Schema.Struct({
  seed: Schema.String,
  /** The first instants at which it was asked. */
  head: Schema.Array(Schema.Finite),
  /** How many after them are not kept. */
  skipped: Schema.Int,
  /** The newest. */
  tail: Schema.Array(Schema.Finite)
})

export type Steps = typeof Steps.Type

/** A schedule and what is live of it. */
export interface Stepper {
  readonly schedule: Schedule.Schedule<unknown>
  /** The schedule at the places where it was left, so that nothing is replayed while the process lives. At most 16. */
  readonly live: Map<string, Step>
}

type Step = (now: number) => Effect.Effect<number | undefined>

const kept = 64
const places = 16

export const start = (seed: string): Steps => ({ seed, head: [], skipped: 0, tail: [] })

/** Asks the schedule at an instant: the delay in milliseconds, none at its end, and how far it has come then. */
export const advance = Effect.fnUntraced(function*(stepper: Stepper, steps: Steps, now: number) {
  const at = keyOf(steps)
  const step = stepper.live.get(at) ?? (yield* replay(stepper.schedule, steps))
  // whoever takes it owns it: stepping moves it on
  stepper.live.delete(at)
  const delay = yield* step(now)
  const next = asked(steps, now)
  stepper.live.set(keyOf(next), step)
  for (const oldest of stepper.live.keys()) if (stepper.live.size > places) stepper.live.delete(oldest)
  return { delay, steps: next }
})

const keyOf = ({ head, seed, skipped, tail }: Steps) =>
  [seed, head[0], head.length + skipped + tail.length, tail.at(-1) ?? head.at(-1)].join(" ")

const asked = (steps: Steps, now: number): Steps => {
  if (steps.head.length < kept) return { ...steps, head: [...steps.head, now] }
  const over = steps.tail.length - kept + 1
  return over > 0
    ? { ...steps, skipped: steps.skipped + over, tail: [...steps.tail.slice(over), now] }
    : { ...steps, tail: [...steps.tail, now] }
}

const replay = Effect.fnUntraced(function*(schedule: Stepper["schedule"], steps: Steps) {
  const random = yield* Random.withSeed(Effect.service(Random.Random), steps.seed)
  const pull = yield* Schedule.toStep(schedule)
  const step: Step = (now) =>
    Pull.matchEffect(pull(now, undefined), {
      onSuccess: ([, delay]) => Effect.succeed<number | undefined>(Duration.toMillis(delay)),
      onDone: () => Effect.undefined,
      onFailure: Effect.failCause
    }).pipe(Effect.provideService(Random.Random, random))
  for (const now of instants(steps)) yield* step(now)
  return step
})

const instants = function*({ head, skipped, tail }: Steps) {
  yield* head
  const from = head.at(-1) ?? 0
  const gap = ((tail[0] ?? from) - from) / (skipped + 1)
  for (let i = 1; i <= skipped; i++) yield from + Math.round(i * gap)
  yield* tail
}
