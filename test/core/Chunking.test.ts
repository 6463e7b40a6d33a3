import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import { CheckpointStore, Chunking, MemoryCheckpointStore } from "ostinato"

const numbers = (count: number) => Array.from({ length: count }, (_, n) => n)

describe("forEachChunk", () => {
  it.effect("S1.31 gives every item once, in order, in chunks of the size, each with its position", () =>
    Effect.gen(function*() {
      const chunks: Array<readonly [number, ReadonlyArray<number>]> = []
      yield* Chunking.forEachChunk(
        numbers(7),
        { size: 3 },
        (chunk, first) => Effect.sync(() => chunks.push([first, chunk]))
      )
      assert.deepStrictEqual(chunks, [[0, [0, 1, 2]], [3, [3, 4, 5]], [6, [6]]])
    }))

  it.live("S1.31 the event loop has its turn between two chunks", () =>
    Effect.gen(function*() {
      const order: Array<string> = []
      yield* Chunking.forEachChunk(numbers(3), { size: 1 }, ([n]) =>
        Effect.sync(() => {
          order.push(`chunk ${n}`)
          setImmediate(() => order.push(`turn ${n}`))
        }))
      assert.deepStrictEqual(order.slice(0, 5), ["chunk 0", "turn 0", "chunk 1", "turn 1", "chunk 2"])
    }))

  it.effect("S1.31 does not read items before their chunk is due", () =>
    Effect.gen(function*() {
      let read = 0
      const endless = function*() {
        for (;;) yield read++
      }
      const seen: Array<number> = []
      const exit = yield* Effect.exit(
        Chunking.forEachChunk(endless(), { size: 2 }, (_, first) => {
          seen.push(read)
          return first >= 4 ? Effect.fail("enough") : Effect.void
        })
      )
      assert.isTrue(Exit.isFailure(exit))
      assert.deepStrictEqual(seen, [2, 4, 6])
    }))

  it.effect("S1.31 begins where it was left, repeats only the chunk that failed, and starts anew after the end", () =>
    Effect.gen(function*() {
      const checkpoint = yield* CheckpointStore.at("test.import")
      const begun: Array<number> = []
      const work = (broken: number) =>
        Chunking.forEachChunk(numbers(10), { size: 2, checkpoint }, (_, first) => {
          begun.push(first)
          return first === broken ? Effect.fail("broken") : Effect.void
        })
      assert.strictEqual(yield* Effect.flip(work(4)), "broken")
      assert.deepStrictEqual(yield* checkpoint.load, Option.some({ done: 4 }))
      yield* work(-1)
      assert.deepStrictEqual(begun, [0, 2, 4, 4, 6, 8])
      assert.deepStrictEqual(yield* checkpoint.load, Option.none())
      begun.length = 0
      yield* work(-1)
      assert.deepStrictEqual(begun, [0, 2, 4, 6, 8])
    }).pipe(Effect.provide(MemoryCheckpointStore.layer())))

  it.effect("a checkpoint that holds no position is not trusted", () =>
    Effect.gen(function*() {
      const checkpoint = yield* CheckpointStore.at("test.odd")
      for (const odd of [{ done: -1 }, { done: 1.5 }, "4", null]) {
        yield* checkpoint.save(odd)
        const begun: Array<number> = []
        yield* Chunking.forEachChunk(numbers(3), { size: 2, checkpoint }, (_, first) =>
          Effect.sync(() =>
            begun.push(first)
          ))
        assert.deepStrictEqual(begun, [0, 2])
      }
    }).pipe(Effect.provide(MemoryCheckpointStore.layer())))

  it.effect("a size below one is taken for one, and no items are no chunks", () =>
    Effect.gen(function*() {
      const sizes: Array<number> = []
      const note = (chunk: ReadonlyArray<number>) => Effect.sync(() => sizes.push(chunk.length))
      yield* Chunking.forEachChunk(numbers(2), { size: 0 }, note)
      yield* Chunking.forEachChunk(numbers(0), { size: 5 }, note)
      assert.deepStrictEqual(sizes, [1, 1])
    }))

  it.effect("the memory store keeps the newest keys of its capacity", () =>
    Effect.gen(function*() {
      const store = yield* CheckpointStore.CheckpointStore
      for (const key of ["a", "b", "a", "c"]) yield* store.save(key, key)
      assert.deepStrictEqual(
        [yield* store.load("a"), yield* store.load("b"), yield* store.load("c")],
        [Option.some("a"), Option.none(), Option.some("c")]
      )
    }).pipe(Effect.provide(MemoryCheckpointStore.layer({ capacity: 2 }))))
})
