/**
 * Changes that are all there or not at all. While one transaction is open, what others ask waits; one that makes no end for
 * 10 seconds while others wait, because its process is gone for instance, is rolled back.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { JobStoreUnavailable } from "../../JobError.ts"
import * as snapshot from "./snapshot.ts"
import type { Tables } from "./tables.ts"

interface Open {
  readonly over: Deferred.Deferred<void>
  /** None where nothing was asked yet. */
  undo: (() => void) | null
}

/** The transaction in which a fiber is, if it is in one. */
const Current = Context.Reference<Open | null>("ostinato/jobs/internal/memory/transaction/Current", {
  defaultValue: () => null
})

export interface Transactions {
  readonly transaction: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E | JobStoreUnavailable, R>
  /** One step, in the transaction around it, when nobody else's is open. */
  readonly step: <A>(change: (now: number) => A) => Effect.Effect<A, JobStoreUnavailable>
}

export const make = (tables: Tables): Transactions => {
  let open: Open | null = null
  const close = (transaction: Open) => {
    if (open === transaction) open = null
    Deferred.doneUnsafe(transaction.over, Exit.void)
  }
  const rollback = (transaction: Open) => {
    if (open !== transaction) return
    transaction.undo?.()
    close(transaction)
  }

  /** Until nobody else's is open. */
  const turn = (mine: Open | null): Effect.Effect<void> =>
    Effect.suspend(() => {
      const other = open
      return other === null || other === mine ? Effect.void : Deferred.await(other.over).pipe(
        Effect.timeoutOption("10 seconds"),
        Effect.andThen(Effect.sync(() => rollback(other))),
        Effect.andThen(turn(mine))
      )
    })

  const step = <A>(change: (now: number) => A) =>
    Effect.gen(function*() {
      const mine = yield* Current
      yield* turn(mine)
      if (mine !== null && open !== mine) {
        return yield* tooLong()
      }
      const now = yield* Clock.currentTimeMillis
      if (mine !== null) mine.undo ??= snapshot.take(tables)
      return change(now)
    })

  const outermost = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
    Effect.uninterruptibleMask((restore) =>
      Effect.gen(function*() {
        yield* restore(turn(null))
        const mine: Open = { over: Deferred.makeUnsafe(), undo: null }
        open = mine
        const exit = yield* Effect.exit(restore(Effect.provideService(effect, Current, mine)))
        if (Exit.isFailure(exit)) rollback(mine)
        else if (open === mine) close(mine)
        else return yield* tooLong()
        return yield* exit
      })
    )

  /** What fails within a transaction takes back its own part. */
  const nested = <A, E, R>(effect: Effect.Effect<A, E, R>, within: Open) =>
    Effect.flatMap(
      step(() => snapshot.take(tables)),
      (undo) => Effect.onError(effect, () => Effect.sync(() => open === within ? undo() : undefined))
    )

  return {
    step,
    transaction: (effect) =>
      Effect.flatMap(Current, (within) => within === null ? outermost(effect) : nested(effect, within))
  }
}

const tooLong = () =>
  new JobStoreUnavailable({
    operation: "transaction",
    detail: "it was open for 10 seconds while others waited, and is rolled back"
  })
