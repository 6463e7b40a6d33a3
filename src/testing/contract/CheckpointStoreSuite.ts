/**
 * What every store of checkpoints promises, as tests: run it against a store of your own. Needs `@effect/vitest`.
 */
import { assert, layer as withLayer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { CheckpointStore } from "../../core/CheckpointStore.ts"

/**
 * Adds the tests of one driver to the file that calls this. They run by the real clock, and expect a store of their own.
 *
 * @category suites
 */
export const checkpointStoreSuite = (driver: string, layer: Layer.Layer<CheckpointStore, unknown>) =>
  withLayer(layer, { excludeTestServices: true })(`CheckpointStore on ${driver}`, (it) => {
    it.effect("S1.31 gives what was saved last under a key, and nothing under another", () =>
      Effect.gen(function*() {
        const store = yield* CheckpointStore
        yield* store.save("suite/a", { done: 1 })
        yield* store.save("suite/a", { done: 2, of: ["x", null] })
        assert.deepStrictEqual(yield* store.load("suite/a"), Option.some({ done: 2, of: ["x", null] }))
        assert.deepStrictEqual(yield* store.load("suite/other"), Option.none())
      }))

    it.effect("tells a saved null from nothing", () =>
      Effect.gen(function*() {
        const store = yield* CheckpointStore
        yield* store.save("suite/null", null)
        assert.deepStrictEqual(yield* store.load("suite/null"), Option.some(null))
      }))

    it.effect("forgets what was cleared", () =>
      Effect.gen(function*() {
        const store = yield* CheckpointStore
        yield* store.save("suite/cleared", 1)
        yield* store.clear("suite/cleared")
        yield* store.clear("suite/cleared")
        assert.deepStrictEqual(yield* store.load("suite/cleared"), Option.none())
      }))

    it.effect("takes every text as a key and in a value", () =>
      Effect.gen(function*() {
        const store = yield* CheckpointStore
        for (const text of ["", "a'b\"c", "käse 🧀", "tab\tline\n"]) {
          yield* store.save(`suite/${text}`, text)
          assert.deepStrictEqual(yield* store.load(`suite/${text}`), Option.some(text))
        }
      }))
  })
