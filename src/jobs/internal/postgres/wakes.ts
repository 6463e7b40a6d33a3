/**
 * Who is woken when rows have changed: claimers of a queue, whoever promotes, and whoever watches. At once in this process
 * and soon on other nodes, after the commit of the transaction around it; a poll finds what a crash in between left.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import type * as Stream from "effect/Stream"
import type { Working } from "../../JobStore.ts"
import * as channels from "./channels.ts"
import type { StoreContext } from "./StoreContext.ts"

/** Where notifications arrive, and where they do not (a pooler in between). */
const changesEvery = "250 millis"
// an element makes claimers look several times, so what only a crash can leave behind is left to their own polls
const poll = { poll: 600_000, deaf: 250 }

export interface Wakes {
  /** Something is available in these queues. */
  readonly queues: (names: Iterable<string>) => Effect.Effect<void>
  /** The same by their numbers; 0 means that something is due, or will be. */
  readonly woken: (ids: ReadonlyArray<number> | null) => Effect.Effect<void>
  /** Something about jobs has changed, for those who watch. */
  readonly changed: Effect.Effect<void>
  /** Something is due in so many milliseconds. */
  readonly due: (ms: number) => Effect.Effect<void>
  /** So many milliseconds from now the next job is due, as far as is known; null: none is. */
  readonly nextDue: (ms: number | null) => Effect.Effect<void>
}

export const make = Effect.fnUntraced(function*({ hints, names, notifier, supervisor, user }: StoreContext) {
  // monotonic; when a promoter of this process will look again
  let looksAt = Number.NEGATIVE_INFINITY
  const stale = yield* Latch.make()
  const tell = stale.await.pipe(
    Effect.andThen(stale.close),
    Effect.andThen(notifier.notify(channels.changes)),
    Effect.andThen(Effect.sleep(changesEvery)),
    Effect.forever
  )
  yield* supervisor.start("jobs changes", tell)
  const changed = user.afterCommit(Effect.sync(() => void stale.openUnsafe()))
  const queues = (all: Iterable<string>) =>
    Effect.andThen(
      Effect.forEach(all, (name) => notifier.notify(channels.queue(name)), { discard: true }),
      changed
    )
  const due = (ms: number) =>
    Effect.flatMap(monotonic, (now) => {
      if (now + ms >= looksAt) return Effect.void
      looksAt = now + ms
      return notifier.notify(channels.scheduled)
    })
  const wakes: Wakes = {
    queues,
    changed,
    due,
    nextDue: (ms) =>
      Effect.map(monotonic, (now) => {
        looksAt = ms === null ? Number.POSITIVE_INFINITY : now + ms
      }),
    woken: (ids) =>
      Effect.suspend(() => {
        if (ids === null || ids.length === 0) return Effect.void
        for (const id of ids) hints.reset(id)
        const known = Effect.orElseSucceed(names.queueNames(ids.filter((id) => id !== 0)), () => [])
        return Effect.andThen(Effect.flatMap(known, queues), ids.includes(0) ? due(0) : Effect.void)
      })
  }
  return wakes
})

export const queueWakes = ({ notifier }: StoreContext): Working["wakes"] => (queue) =>
  notifier.listen(channels.queue(queue), poll)

export const scheduledWakes = ({ notifier }: StoreContext): Stream.Stream<void> =>
  notifier.listen(channels.scheduled, poll)

const monotonic = Effect.map(Clock.monotonicTimeNanos, (nanos) => Number(nanos / 1_000_000n))
