/**
 * A member of the store for takers that come and go: joined when the first one asks, and again after it was lost.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import type { JobStoreUnavailable } from "../../JobError.ts"
import type { JobStore, Member } from "../../JobStore.ts"

export type Held = Member

export const make = Effect.fnUntraced(function*(
  store: JobStore["Service"],
  who: { readonly node: string; readonly info: Schema.Json }
) {
  const scope = yield* Effect.scope
  let joining: Deferred.Deferred<Held, JobStoreUnavailable> | undefined

  const join = Effect.gen(function*() {
    const own = yield* Scope.fork(scope)
    const member = yield* Scope.provide(store.join({ ...who, serves: {} }), own).pipe(
      Effect.onError((cause) => Scope.close(own, Exit.failCause(cause)))
    )
    // nobody is to be asked to stop here: what is taken ends with its taker
    yield* Effect.forkIn(
      Effect.forever(Effect.flatMap(member.mail, (mail) => member.acknowledge(mail.map(({ id }) => id)))),
      own
    )
    yield* Effect.forkIn(
      Effect.andThen(
        member.lost,
        Effect.andThen(Effect.sync(() => void (joining = undefined)), Scope.close(own, Exit.void))
      ),
      scope
    )
    return member
  })

  /** Those who ask at the same time get the same one. */
  const current: Effect.Effect<Held, JobStoreUnavailable> = Effect.suspend(() => {
    if (joining !== undefined) return Deferred.await(joining)
    const deferred = Deferred.makeUnsafe<Held, JobStoreUnavailable>()
    joining = deferred
    return Effect.onExit(join, (exit) =>
      Effect.suspend(() => {
        if (Exit.isFailure(exit)) joining = undefined
        return Deferred.done(deferred, exit)
      }))
  })

  return { current }
})
