/** The memory store is the model: after every command of random sequences both stores look the same. */
import * as PgClient from "@effect/sql-pg/PgClient"
import { assert, layer } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Random from "effect/Random"
import * as TestClock from "effect/testing/TestClock"
import * as Supervisor from "ostinato/core/Supervisor"
import { JobStore } from "ostinato/jobs/JobStore"
import * as Memory from "ostinato/jobs/stores/Memory"
import { layer as postgres } from "./jobs.ts"
import { close, type Command, join, leave, next, observe, observeAll, type Run, type Side } from "./sameness.ts"

const sequences = Number(process.env["OSTINATO_SEEDS"] ?? 300)
const commands = 8
/** Sequences that go in step. */
const lanes = 30

const memory = Effect.gen(function*() {
  const clock = yield* TestClock.make()
  const context = yield* Layer.build(Layer.provide(Memory.layer, Supervisor.layer))
  const within: Side["within"] = Effect.provideService(Clock.Clock, clock)
  return {
    store: Context.get(context, JobStore),
    within,
    die: () => clock.adjust("31 seconds")
  } satisfies Side
})

const database = Effect.gen(function*() {
  const sql = yield* PgClient.PgClient
  return {
    store: yield* JobStore,
    within: (effect) => effect,
    die: ({ id }) => sql`UPDATE ostinato.worker SET expires_at = now() - interval '1 second' WHERE id = ${id}`
  } satisfies Side
})

interface Lane {
  readonly seed: number
  readonly model: Run
  readonly real: Run
  readonly told: Array<string>
  readonly draws: typeof Random.Random.Service
}

type Seats = Run["seats"]

/** Sequences from a seed on, each at its first command. */
const begin = (sides: readonly [Side, Side], seats: ReadonlyArray<readonly [Seats, Seats]>, from: number) =>
  Effect.forEach(seats, (both, at) =>
    Effect.gen(function*() {
      const seed = from + at
      const run = (on: 0 | 1): Run => ({ side: sides[on], seats: both[on], queue: nameOf(seed), ids: [], claims: [] })
      return { seed, model: run(0), real: run(1), told: [], draws: yield* Random.Random } satisfies Lane
    }).pipe(Random.withSeed(`sameness ${from + at}`)))

const nameOf = (seed: number) => `a${seed.toString(16)}f`

const same = (lane: Lane, actual: unknown, expected: unknown) =>
  assert.deepStrictEqual(actual, expected, `seed ${lane.seed}:\n${lane.told.join("\n")}`)

type Look = (runs: ReadonlyArray<Run>, side: Side) => Effect.Effect<ReadonlyArray<unknown>, unknown>

const compare = Effect.fnUntraced(
  function*([memory, postgres]: readonly [Side, Side], all: ReadonlyArray<Lane>, look: Look) {
    const expected = yield* look(all.map(({ model }) => model), memory)
    const actual = yield* look(all.map(({ real }) => real), postgres)
    all.forEach((lane, at) => same(lane, actual[at], expected[at]))
  }
)

/** One command of each sequence. Those that leave nothing to the loops of maintenance are looked at before these run. */
const step = Effect.fnUntraced(function*(sides: readonly [Side, Side], all: ReadonlyArray<Lane>) {
  const drawn = yield* Effect.forEach(all, (lane) =>
    Effect.map(
      Effect.provideService(next(nameOf(lane.seed), lane.model), Random.Random, lane.draws),
      (command) => ({ lane, command })
    ))
  for (const upkeep of ["none", "due", "all"] satisfies ReadonlyArray<Command["upkeep"]>) {
    const some = drawn.filter(({ command }) => command.upkeep === upkeep)
    for (const { command, lane } of some) {
      lane.told.push(command.name)
      const expected = yield* command.run(lane.model)
      same(lane, yield* command.run(lane.real), expected)
    }
    if (some.length > 0) yield* compare(sides, some.map(({ lane }) => lane), observe(upkeep))
  }
})

layer(postgres, { excludeTestServices: true })("jobs in memory and in Postgres", (it) => {
  it.effect(`S0.54 look the same after every command of ${sequences} random sequences`, () =>
    Effect.gen(function*() {
      const sides = [yield* memory, yield* database] as const
      for (const side of sides) {
        for (const permits of [1, 2]) {
          yield* side.within(side.store.limits.set({ name: permits === 1 ? "one" : "two", permits, rate: null }))
        }
      }
      const pair = (side: Side) => Effect.all([join(side), join(side)])
      const seats = yield* Effect.forEach(
        Array.from({ length: Math.min(lanes, sequences) }),
        () => Effect.all([pair(sides[0]), pair(sides[1])])
      )
      for (let seed = 1; seed <= sequences; seed += lanes) {
        const all = yield* begin(sides, seats.slice(0, sequences - seed + 1), seed)
        for (let at = 0; at < commands; at += 1) yield* step(sides, all)
        yield* compare(sides, all, observeAll)
        yield* close(all.map(({ model }) => model), sides[0])
        yield* close(all.map(({ real }) => real), sides[1])
      }
      for (const both of seats) {
        for (const on of [0, 1] as const) yield* Effect.forEach(both[on], (seat) => leave(sides[on], seat))
      }
    }), 300_000)
})
