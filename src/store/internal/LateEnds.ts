/**
 * Ends of runs that could not be written because the database was away: kept, and written when it is back.
 *
 * What a run came to is not lost by an outage, however long, as long as its process lives. At most 10,000 are kept; of
 * more the oldest are dropped, and those runs show as abandoned.
 */
import * as Effect from "effect/Effect"
import type { RunEnd } from "../../core/RunLog.ts"
import * as Sleeper from "../../core/Sleeper.ts"
import type { RunId } from "../../core/TaskRun.ts"
import * as Outage from "../Outage.ts"

/** Writes one end; gives whether the run was still open. */
export type Write<E> = (id: RunId, end: RunEnd) => Effect.Effect<boolean, E>

export const make = <E>(write: Write<E>, isOutage: (error: E) => boolean) =>
  Effect.gen(function*() {
    const sleeper = yield* Sleeper.make
    const kept = new Map<RunId, RunEnd>()
    // written here, while whoever ended the run may still be trying: it is to be told that this was its doing
    const written = new Map<RunId, boolean>()

    const attempt: Write<E> = (id, end) =>
      Effect.suspend(() => {
        const answer = written.get(id)
        written.delete(id)
        return answer === undefined ? write(id, end) : Effect.succeed(answer)
      }).pipe(
        Effect.tap(() => Effect.sync(() => kept.delete(id))),
        Effect.tapError((error) => {
          if (!isOutage(error)) return Effect.sync(() => kept.delete(id))
          bounded(kept).set(id, end)
          return sleeper.wake
        })
      )
    const writeLate = (id: RunId, end: RunEnd) =>
      Effect.matchEffect(write(id, end), {
        onSuccess: (closed) =>
          Effect.sync(() => {
            if (kept.delete(id)) bounded(written).set(id, closed)
          }),
        onFailure: (error) =>
          isOutage(error) ? Effect.fail(error) : Effect.andThen(
            Effect.logError(`the end of run ${id} was kept during an outage and cannot be written`, error),
            Effect.sync(() => kept.delete(id))
          )
      })
    const writeKept = Effect.suspend(() =>
      Effect.forEach(Array.from(kept), ([id, end]) => writeLate(id, end), { discard: true })
    )
    return {
      /** Writes an end, now or later: an outage fails, but the end is written when it is over. */
      attempt,
      /** Whether the end of this run waits for the database. */
      has: (id: RunId) => kept.has(id),
      /** Writes what was kept, for ever. */
      run: sleeper.sleep("1 minute").pipe(
        Effect.andThen(Effect.retry(writeKept, Outage.backoff)),
        Effect.forever
      )
    }
  })

const bounded = <K, V>(map: Map<K, V>) => {
  const [oldest] = map.size < 10_000 ? [] : map.keys()
  if (oldest !== undefined) map.delete(oldest)
  return map
}
