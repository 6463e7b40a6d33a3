/**
 * One value, always the newest: for state that many read and nobody needs the history of.
 *
 * A reader that is slow misses what was in between and gets the newest. After `close` every wait ends with
 * `LatestValueClosed`; the last value can still be read.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

/**
 * There will be no newer value. The last one can still be read.
 *
 * @category errors
 */
export class LatestValueClosed extends Schema.TaggedError<LatestValueClosed>()("LatestValueClosed", {
  name: Schema.String
}) {
  override get message() {
    return `${this.name} will not change any more`
  }
}

/**
 * A value, and the how-manieth it is.
 *
 * @category models
 */
export interface Versioned<out A> {
  readonly value: A
  /** `0` is the first one. */
  readonly version: number
}

/**
 * The newest value of something, for many readers.
 *
 * @category models
 */
export interface LatestValue<A> {
  readonly get: Effect.Effect<Versioned<A>>
  readonly set: (value: A) => Effect.Effect<void, LatestValueClosed>
  /** The newest value as soon as there is one newer than this version. */
  readonly after: (version: number) => Effect.Effect<Versioned<A>, LatestValueClosed>
  readonly close: Effect.Effect<void>
}

/**
 * Makes one with its first value; the name is for errors.
 *
 * @category constructors
 */
export const make = <A>(name: string, initial: A): Effect.Effect<LatestValue<A>> =>
  Effect.gen(function*() {
    const closed = new LatestValueClosed({ name })
    let current: Versioned<A> = { value: initial, version: 0 }
    let changed = yield* Deferred.make<void, LatestValueClosed>()
    let open = true
    const after = (version: number): Effect.Effect<Versioned<A>, LatestValueClosed> =>
      Effect.suspend(() =>
        current.version > version
          ? Effect.succeed(current)
          : Effect.flatMap(Deferred.await(changed), () => after(version))
      )
    return {
      get: Effect.sync(() => current),
      set: (value) =>
        Effect.suspend(() => {
          if (!open) return Effect.fail(closed)
          const told = changed
          current = { value, version: current.version + 1 }
          changed = Deferred.makeUnsafe()
          return Effect.asVoid(Deferred.succeed(told, undefined))
        }),
      after,
      close: Effect.suspend(() => {
        open = false
        return Effect.asVoid(Deferred.fail(changed, closed))
      })
    }
  })
