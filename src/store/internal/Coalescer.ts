/**
 * Many marks, few messages: the first leaves at once, and what is marked in the pause after a message leaves together.
 *
 * The pause doubles each time that something was marked in it, up to its longest, and is the shortest again after one in
 * which nothing was: whoever marks now and then does not wait, and a storm of marks is few messages. A mark is a matter of
 * memory and never fails or waits. What could not be sent stays gathered for the next attempt.
 */
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"

/** Milliseconds between the end of a message and the next. */
export interface Pause {
  readonly shortest: number
  readonly longest: number
}

/** A gatherer of marks. */
export interface Coalescer {
  readonly mark: (key: string) => void
  /** Sends for ever; fails when sending does. To be run again then. */
  readonly run: <E, R>(
    send: (keys: ReadonlyArray<string>) => Effect.Effect<void, E, R>,
    pause: Pause
  ) => Effect.Effect<never, E, R>
}

export const make: Effect.Effect<Coalescer> = Effect.map(Latch.make(), (gathered) => {
  const keys = new Set<string>()
  const take = Effect.sync(() => {
    const all = Array.from(keys)
    keys.clear()
    gathered.closeUnsafe()
    return all
  })
  const mark = (key: string) => {
    keys.add(key)
    gathered.openUnsafe()
  }
  return {
    mark,
    run: (send, { longest, shortest }) => {
      let pause = shortest
      const rest = Effect.suspend(() => Effect.sleep(pause)).pipe(
        Effect.andThen(Effect.sync(() => void (pause = keys.size === 0 ? shortest : Math.min(longest, pause * 2))))
      )
      return gathered.await.pipe(
        // whoever marks goes on first
        Effect.andThen(Effect.yieldNow),
        Effect.andThen(take),
        Effect.flatMap((all) => Effect.onError(send(all), () => Effect.sync(() => all.forEach(mark)))),
        Effect.andThen(rest),
        Effect.forever
      )
    }
  }
})
