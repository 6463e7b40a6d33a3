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
import { close, join, leave, next, observe, observeAll, type Run, type Side } from "./sameness.ts"

const sequences = Number(process.env["OSTINATO_SEEDS"] ?? 300)
const commands = 8

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

const sequence = Effect.fnUntraced(
  function*(seed: number, sides: ReadonlyArray<Side>, seats: ReadonlyArray<Run["seats"]>) {
    const name = `a${seed.toString(16)}f`
    const runs = sides.map((side, at): Run => ({
      side,
      seats: seats[at] ?? [],
      queue: name,
      ids: [],
      claims: [],
      cancelled: new Set()
    }))
    const [model, real] = runs
    if (model === undefined || real === undefined) return yield* Effect.die("two sides")
    const told: Array<string> = []
    const same = Effect.fnUntraced(function*(look: (run: Run) => Effect.Effect<unknown, unknown>) {
      const [expected, actual] = yield* Effect.all([look(model), look(real)])
      assert.deepStrictEqual(actual, expected, `seed ${seed}:\n${told.join("\n")}`)
    })
    for (let at = 0; at < commands; at += 1) {
      const command = yield* next(name, model)
      told.push(command.name)
      yield* same(command.run)
      yield* same(observe(command))
    }
    yield* same(observeAll)
    yield* Effect.forEach(runs, close)
  },
  (effect, seed) => Random.withSeed(effect, `sameness ${seed}`)
)

layer(postgres, { excludeTestServices: true })("jobs in memory and in Postgres", (it) => {
  it.effect(`S0.54 look the same after every command of ${sequences} random sequences`, () =>
    Effect.gen(function*() {
      const sides = [yield* memory, yield* database]
      for (const side of sides) {
        for (const permits of [1, 2]) {
          yield* side.within(side.store.limits.set({ name: permits === 1 ? "one" : "two", permits, rate: null }))
        }
      }
      const seats = yield* Effect.forEach(sides, (side) => Effect.all([join(side), join(side)]))
      for (let seed = 1; seed <= sequences; seed += 1) yield* sequence(seed, sides, seats)
      yield* Effect.forEach(sides, (side, at) => Effect.forEach(seats[at] ?? [], (seat) => leave(side, seat)))
    }), 300_000)
})
