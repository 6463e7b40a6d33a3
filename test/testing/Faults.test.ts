import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { Faults, SimulatedNode, Simulation } from "ostinato/testing"

class Away extends Schema.TaggedError<Away>()("Away", { operation: Schema.String }) {}
class Shelf extends Context.Service<Shelf, {
  readonly put: (book: string) => Effect.Effect<void, Away>
  readonly count: Effect.Effect<number, Away>
  readonly name: string
}>()("ostinato/test/testing/Faults.test/Shelf") {}

/** One call of a shelf with one kind of fault at every call: what the caller saw, what was done, how long it took. */
const once = (rates: Faults.Rates) =>
  Effect.gen(function*() {
    const books: Array<string> = []
    const shelf = Layer.succeed(Shelf, {
      put: (book: string) => Effect.sync(() => void books.push(book)),
      count: Effect.sync(() => books.length),
      name: "top"
    }).pipe(
      Faults.inLayer(Shelf, { unavailable: (operation) => new Away({ operation }) }),
      Layer.provideMerge(Faults.layer(rates))
    )
    const program = Effect.gen(function*() {
      const { count, name, put } = yield* Shelf
      const began = yield* Clock.currentTimeMillis
      const exit = yield* Fiber.await(yield* Effect.forkChild(put("Emma")))
      const took = (yield* Clock.currentTimeMillis) - began
      yield* Faults.calm
      return { exit, took, count: yield* count, name }
    })
    const { exit, trace } = yield* Simulation.replay(Effect.provide(program, shelf), 4)
    return { ...(yield* exit), trace }
  })

describe("Faults", () => {
  it.effect("D.6 a call fails undone, fails although done, dies, takes long, or meets an interruption", () =>
    Effect.gen(function*() {
      const undone = yield* once({ unavailable: 1 })
      assert.deepStrictEqual([undone.exit, undone.count], [Exit.fail(new Away({ operation: "Shelf.put" })), 0])
      const unknown = yield* once({ unknown: 1 })
      assert.deepStrictEqual([unknown.exit, unknown.count], [Exit.fail(new Away({ operation: "Shelf.put" })), 1])
      const defect = yield* once({ defect: 1 })
      assert.isTrue(Exit.isFailure(defect.exit) && Cause.hasDies(defect.exit.cause))
      assert.strictEqual(defect.count, 0)
      const slow = yield* once({ delay: 1, slowest: "1 minute" })
      assert.isTrue(slow.took > 0 && slow.took <= 60_000)
      assert.deepStrictEqual([slow.exit, slow.count], [Exit.void, 1])
      const interrupted = yield* once({ interruption: 1 })
      assert.isTrue(Exit.isFailure(interrupted.exit) && Cause.hasInterruptsOnly(interrupted.exit.cause))
      assert.strictEqual(interrupted.count, 0)
      assert.deepStrictEqual(interrupted.trace, ["0d 00:00:00.000 fault: Shelf.put is interrupted"])
      const fine = yield* once({})
      assert.deepStrictEqual([fine.exit, fine.count, fine.took, fine.name], [Exit.void, 1, 0, "top"])
    }))

  it.effect("D.6 a node crashes in a call, or is held up in one and goes on", () =>
    Effect.gen(function*() {
      for (let seed = 1; seed <= 20; seed++) {
        const seen: Array<string> = []
        const calls = Effect.gen(function*() {
          yield* Effect.addFinalizer(() => Effect.sync(() => seen.push("closed")))
          const { at } = yield* Faults.Faults
          const call = at("call", Effect.sync(() => seen.push("called")), (operation) => new Away({ operation }))
          yield* Effect.forkScoped(Effect.forever(Effect.andThen(Effect.sleep("1 hour"), call)))
        })
        const program = (rates: Faults.Rates, until: Duration.Input) =>
          Effect.gen(function*() {
            const node = yield* SimulatedNode.make("a", () => calls)
            yield* node.start
            yield* Effect.sleep(until)
            const isUp = yield* node.isUp
            yield* Faults.calm
            yield* node.resume
            yield* Effect.sleep("90 minutes")
            return isUp ? "up" : "down"
          }).pipe(Effect.provide(Faults.layer(rates)))
        assert.strictEqual(yield* (yield* Simulation.replay(program({ crash: 1 }, "5 hours"), seed)).exit, "down")
        assert.isAtMost(seen.length, 1)
        assert.notInclude(seen, "closed")
        seen.length = 0
        const held = { pause: 1, longest: "10 hours" } as const
        assert.strictEqual(yield* (yield* Simulation.replay(program(held, "61 minutes"), seed)).exit, "up")
        assert.isAtLeast(seen.length, 1)
      }
    }))
})

describe("SimulatedNode", () => {
  it.effect("D.6 G18 a node that crashed makes no further step, and one that is held up goes on where it was", () =>
    Effect.gen(function*() {
      for (let seed = 1; seed <= 50; seed++) {
        const seen: Array<string> = []
        const program = Effect.gen(function*() {
          const worker = (name: string) =>
            SimulatedNode.make(name, () =>
              Effect.gen(function*() {
                yield* Effect.addFinalizer(() => Effect.sync(() => seen.push(`${name} closed`)))
                yield* Effect.forkScoped(
                  Effect.forever(Effect.andThen(Effect.sleep("1 hour"), Effect.sync(() => seen.push(name))))
                )
              }))
          const [a, b, c] = [yield* worker("a"), yield* worker("b"), yield* worker("c")]
          yield* Effect.forEach([a, b, c], (node) => node.start)
          yield* Effect.sleep("150 minutes")
          yield* a.crash
          yield* b.stop
          yield* c.pause
          assert.deepStrictEqual([yield* a.isUp, yield* b.isUp, yield* c.isUp], [false, false, true])
          yield* Effect.sleep("10 hours")
          assert.deepStrictEqual([...seen].sort(), ["a", "a", "b", "b", "b closed", "c", "c"])
          yield* c.resume
          yield* a.start
          yield* Effect.sleep("1 minute")
          assert.strictEqual(seen.filter((name) => name === "c").length, 3)
          yield* Effect.sleep("1 hour")
          assert.deepStrictEqual([...seen].sort(), ["a", "a", "a", "b", "b", "b closed", "c", "c", "c", "c"])
        })
        yield* (yield* Simulation.replay(program, seed)).exit
      }
    }))
})
