/**
 * Numbers that fibers on many threads change together, without a lock.
 *
 * A change is a read, some work that may wait, and a write which only counts if the number is still the one that was
 * read; otherwise the change begins again with the new one. So no update is ever lost, whoever waits holds up no other
 * thread, and a thread that is killed in the middle leaves nothing half done. Everything else that threads share is sent
 * to them.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Semaphore from "effect/Semaphore"

/**
 * Named numbers in shared memory. It is data, and a Schema too: as a part of a payload it reaches other threads, and is
 * the same state there. It cannot be stored, nor sent to another process.
 *
 * @category models
 */
export const SharedState = Schema.Struct({
  names: Schema.Array(Schema.String),
  memory: Schema.instanceOf(SharedArrayBuffer)
})

/**
 * The same with the names of its numbers known to the compiler.
 *
 * @category models
 */
export interface SharedState<Name extends string = string> {
  readonly names: ReadonlyArray<Name>
  readonly memory: SharedArrayBuffer
}

/**
 * Makes a state with these numbers. Their names are fixed from then on.
 *
 * @category constructors
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import { SharedState } from "ostinato"
 *
 * const state = SharedState.make({ done: 0, failed: 0 })
 *
 * const program = Effect.gen(function*() {
 *   yield* SharedState.update(state, "done", (n) => n + 1)
 *   yield* SharedState.updateEffect(state, "failed", (n) => Effect.delay(Effect.succeed(n + 2), "1 millis"))
 *   return SharedState.snapshot(state)
 * })
 *
 * await Effect.runPromise(program) // => { done: 1, failed: 2 }
 * ```
 */
export const make = <Name extends string>(initial: Readonly<Record<Name, number>>): SharedState<Name> => {
  const entries = Object.entries<number>(initial)
  const memory = new SharedArrayBuffer(entries.length * BigInt64Array.BYTES_PER_ELEMENT)
  const cells = new BigInt64Array(memory)
  entries.forEach(([, value], index) => Atomics.store(cells, index, bitsOf(value)))
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the names are the keys
  return { names: entries.map(([name]) => name as Name), memory }
}

/**
 * The number as it is now.
 *
 * @category combinators
 */
export const get = <Name extends string>(state: SharedState<Name>, name: NoInfer<Name>): Effect.Effect<number> =>
  Effect.sync(() => numberOf(Atomics.load(...cellOf(state, name))))

/**
 * All numbers; one of them may change while the others are read.
 *
 * @category combinators
 */
export const snapshot = <Name extends string>(state: SharedState<Name>): Record<Name, number> => {
  const cells = new BigInt64Array(state.memory)
  const entries = state.names.map((name, index) => [name, numberOf(Atomics.load(cells, index))])
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the keys are the names
  return Object.fromEntries(entries) as Record<Name, number>
}

/**
 * Changes a number and gives the new one.
 *
 * @category combinators
 */
export const update = <Name extends string>(
  state: SharedState<Name>,
  name: NoInfer<Name>,
  change: (value: number) => number
): Effect.Effect<number> =>
  Effect.sync(() => {
    const [cells, index] = cellOf(state, name)
    for (;;) {
      const before = Atomics.load(cells, index)
      const value = change(numberOf(before))
      if (swap(cells, index, before, value)) return value
    }
  })

/**
 * Changes a number by work that may wait, and gives the new one. The work is run again when somebody else was faster, so
 * let it decide on the number alone and keep its own effects for afterwards. Of one thread four such changes of a state
 * are under way at a time and the next waits for its turn, so give work that may hang a limit; `update` never waits.
 *
 * @category combinators
 */
export const updateEffect = <Name extends string, E, R>(
  state: SharedState<Name>,
  name: NoInfer<Name>,
  change: (value: number) => Effect.Effect<number, E, R>
): Effect.Effect<number, E, R> => {
  const attempt = Effect.suspend(() => {
    const [cells, index] = cellOf(state, name)
    const before = Atomics.load(cells, index)
    return Effect.map(change(numberOf(before)), (value) => ({ isDone: swap(cells, index, before, value), value }))
  })
  const untilDone: Effect.Effect<number, E, R> = Effect.flatMap(
    attempt,
    ({ isDone, value }) => isDone ? Effect.succeed(value) : untilDone
  )
  return Effect.suspend(() => turnsOf(state.memory).withPermits(1)(untilDone))
}

// more fibers of one thread at a time would only make one another begin again
const atATime = 4
const turns = new WeakMap<SharedArrayBuffer, Semaphore.Semaphore>()

const turnsOf = (memory: SharedArrayBuffer): Semaphore.Semaphore => {
  const found = turns.get(memory)
  if (found !== undefined) return found
  const made = Semaphore.makeUnsafe(atATime)
  turns.set(memory, made)
  return made
}

const cellOf = (state: SharedState, name: string): [BigInt64Array, number] => {
  const index = state.names.indexOf(name)
  if (index < 0) throw new RangeError(`the shared state has no "${name}", but ${state.names.join(", ")}`)
  return [new BigInt64Array(state.memory), index]
}

const swap = (cells: BigInt64Array, index: number, before: bigint, value: number) =>
  Atomics.compareExchange(cells, index, before, bitsOf(value)) === before

// numbers are kept as their 64 bits, which memory compares in one step
const scratch = new DataView(new ArrayBuffer(8))

const bitsOf = (value: number): bigint => {
  scratch.setFloat64(0, value)
  return scratch.getBigInt64(0)
}

const numberOf = (bits: bigint): number => {
  scratch.setBigInt64(0, bits)
  return scratch.getFloat64(0)
}
