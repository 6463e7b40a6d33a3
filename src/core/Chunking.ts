/**
 * Long work on many items in one process: a chunk at a time, with the event loop free in between, from where it was left.
 *
 * With a checkpoint every item is given to the work at least once: what a crash meets under way is repeated, the chunks
 * before it are not. The items must come in the same order when the work begins again.
 */
import type * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { Checkpoint, CheckpointUnavailable } from "./CheckpointStore.ts"

/**
 * Gives the items to `f` in chunks, one after the other. Between two chunks timers, requests and other fibers have their
 * turn, so the event loop is never held longer than one chunk takes: choose the size by that. What is not given to `f`
 * yet is not read from the items yet.
 *
 * With a checkpoint, the number of items done is saved after each chunk; a later call with the same checkpoint begins
 * there, and the end of all items clears it.
 *
 * @category combinators
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import { Chunking } from "ostinato"
 *
 * const sums: Array<number> = []
 * const program = Chunking.forEachChunk([1, 2, 3, 4, 5], { size: 2 }, (chunk) =>
 *   Effect.sync(() => sums.push(chunk.reduce((sum, n) => sum + n, 0)))
 * )
 *
 * await Effect.runPromise(program)
 * sums // => [3, 7, 5]
 * ```
 */
export const forEachChunk: {
  <A, E, R>(
    items: Iterable<A>,
    options: {
      /** Items in a chunk; the last one may have fewer. At least 1. */
      readonly size: number
      readonly checkpoint: Checkpoint
    },
    f: (chunk: Arr.NonEmptyReadonlyArray<A>, first: number) => Effect.Effect<unknown, E, R>
  ): Effect.Effect<void, E | CheckpointUnavailable, R>
  <A, E, R>(
    items: Iterable<A>,
    options: {
      /** Items in a chunk; the last one may have fewer. At least 1. */
      readonly size: number
      /** Defaults to none: the work always begins with the first item. */
      readonly checkpoint?: undefined
    },
    /** Is given the items, and the position of the first of them among all. */
    f: (chunk: Arr.NonEmptyReadonlyArray<A>, first: number) => Effect.Effect<unknown, E, R>
  ): Effect.Effect<void, E, R>
} = Effect.fnUntraced(function*<A, E, R>(
  items: Iterable<A>,
  { checkpoint, size }: { readonly size: number; readonly checkpoint?: Checkpoint | undefined },
  f: (chunk: Arr.NonEmptyReadonlyArray<A>, first: number) => Effect.Effect<unknown, E, R>
): Effect.fn.Return<void, E | CheckpointUnavailable, R> {
  let done = checkpoint === undefined ? 0 : yield* begin(checkpoint)
  for (const chunk of chunks(items, Math.max(1, Math.trunc(size)), done)) {
    yield* f(chunk, done)
    done += chunk.length
    if (checkpoint !== undefined) yield* checkpoint.save({ done })
    yield* Effect.yieldNow
  }
  if (checkpoint !== undefined) yield* checkpoint.clear
})

const Progress = Schema.Struct({ done: Schema.Int.check(Schema.isGreaterThanOrEqualTo(0)) })

const begin = (checkpoint: Checkpoint) =>
  Effect.flatMap(checkpoint.load, (saved) => {
    if (Option.isNone(saved)) return Effect.succeed(0)
    return Effect.catch(
      Effect.map(Schema.decodeUnknownEffect(Progress)(saved.value), ({ done }) => done),
      (error) =>
        Effect.as(
          Effect.logWarning(
            `checkpoint ${checkpoint.key} does not hold a position, so work begins anew: ${error.message}`
          ),
          0
        )
    )
  })

function* chunks<A>(items: Iterable<A>, size: number, skip: number): Generator<Arr.NonEmptyReadonlyArray<A>> {
  let chunk: Arr.NonEmptyArray<A> | undefined
  let position = 0
  for (const item of items) {
    position += 1
    if (position <= skip) continue
    if (chunk === undefined) chunk = [item]
    else chunk.push(item)
    if (chunk.length < size) continue
    yield chunk
    chunk = undefined
  }
  if (chunk !== undefined) yield chunk
}
