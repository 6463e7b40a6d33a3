/**
 * Many marks, few messages: marks are gathered and sent together, at most one message in each interval.
 *
 * A mark is a matter of memory and never fails or waits. What could not be sent stays gathered for the next attempt.
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"

/** A gatherer of marks. */
export interface Coalescer {
  readonly mark: (key: string) => void
  /** Sends for ever; fails when sending does. To be run again then. */
  readonly run: <E, R>(
    send: (keys: ReadonlyArray<string>) => Effect.Effect<void, E, R>,
    every: Duration.Input
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
    run: (send, every) =>
      gathered.await.pipe(
        // whoever marks goes on first
        Effect.andThen(Effect.yieldNow),
        Effect.andThen(take),
        Effect.flatMap((all) => Effect.onError(send(all), () => Effect.sync(() => all.forEach(mark)))),
        Effect.andThen(Effect.sleep(every)),
        Effect.forever
      )
  }
})
