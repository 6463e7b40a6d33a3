/**
 * Makes due jobs available: sleeps until the next one is due, and is woken when one is scheduled that is due before.
 *
 * Every node may run one: of two, each job is made available by one. It looks at least once a minute, so nothing depends
 * on being woken.
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as Sleeper from "../../core/Sleeper.ts"
import type { JobStore } from "../JobStore.ts"
import { repeated } from "./loop.ts"

/** Jobs made available by one statement. */
const most = 1000

/** Most milliseconds between two looks. */
const longest = 60_000

export const promoter = (store: JobStore["Service"]): Effect.Effect<void> =>
  Effect.gen(function*() {
    const sleeper = yield* Sleeper.make
    const step = Effect.gen(function*() {
      // many at once are made available without a look in between
      if ((yield* store.promote(most)) >= most) return 0
      const next = yield* store.nextDueMs
      return Math.min(longest, Math.max(0, next ?? longest))
    })
    const woken = Stream.runForEach(store.scheduled, () => sleeper.wake)
    return yield* Effect.raceFirst(
      repeated(step, (ms) => ms === 0 ? Effect.yieldNow : sleeper.sleep(Math.ceil(ms))),
      Effect.andThen(woken, Effect.never)
    )
  })
