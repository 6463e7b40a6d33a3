/**
 * The memberships of a worker: one that claims, and those before it that still have something in hand.
 *
 * `join` is asked again until it succeeds. A lost lease interrupts all that was claimed under it, and the worker joins
 * again at once.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Latch from "effect/Latch"
import * as Scope from "effect/Scope"
import type { Supervisor } from "../../../core/Supervisor.ts"
import type { JobStoreUnavailable } from "../../JobError.ts"
import type { Member } from "../../JobStore.ts"
import { Bell } from "./Bell.ts"
import type { Engine } from "./Engine.ts"
import { Membership } from "./Membership.ts"
import type { Patience } from "./patience.ts"

export interface Crew {
  /** Under which jobs are claimed; none where the worker has to join first. */
  readonly current: Membership | undefined
  /** Waits until there is one. */
  readonly joined: Effect.Effect<void>
  /** A claim under this one went unanswered: the next one is made under another. */
  readonly renew: (membership: Membership) => void
  readonly join: Effect.Effect<void, JobStoreUnavailable>
  /** Joins again whenever it has to, and leaves what has nothing in hand any more. */
  readonly keep: Effect.Effect<void>
  /** Leaves all that is left. */
  readonly leave: Effect.Effect<void>
  /** What came back or ended may let a membership be left. */
  readonly look: () => void
}

export const make = Effect.fnUntraced(function*(options: {
  /** Of the worker. */
  readonly name: string
  readonly engine: Engine
  readonly patience: Patience
  readonly supervisor: Supervisor["Service"]
  readonly scope: Scope.Scope
  readonly member: Effect.Effect<Member, JobStoreUnavailable, Scope.Scope>
  readonly mail: (membership: Membership) => Effect.Effect<void>
}) {
  const { engine, mail, member, name, patience, scope, supervisor } = options
  const isJoined = yield* Latch.make(false)
  const bell = new Bell()
  const former = new Set<Membership>()
  let current: Membership | undefined

  const retire = (membership: Membership) => {
    if (membership !== current) return
    current = undefined
    isJoined.closeUnsafe()
    former.add(membership)
    bell.ring()
  }

  const join = Effect.uninterruptible(Effect.gen(function*() {
    const own = yield* Scope.fork(scope)
    const joined = yield* Effect.exit(patience.ask("join", Scope.provide(member, own)))
    if (Exit.isFailure(joined)) {
      yield* Scope.close(own, Exit.void)
      return yield* joined
    }
    const membership = new Membership(joined.value, own)
    yield* Scope.provide(
      Effect.andThen(
        supervisor.start(
          `${name}: lease of member ${joined.value.id}`,
          Effect.andThen(
            joined.value.lost,
            Effect.suspend(() => {
              engine.lose(membership)
              retire(membership)
              bell.ring()
              return Effect.logWarning(
                "the lease of this worker is lost: what it ran was interrupted, and it joins again"
              )
            })
          )
        ),
        supervisor.start(`${name}: mail of member ${joined.value.id}`, mail(membership))
      ),
      own
    )
    current = membership
    isJoined.openUnsafe()
  }))

  const isDone = (membership: Membership) => membership.state === "lost" || membership.inHand <= 0
  const left = (membership: Membership) => {
    former.delete(membership)
    return Effect.asVoid(patience.ask("leave", Scope.close(membership.scope, Exit.void)))
  }
  const leave = Effect.suspend(() => {
    if (current !== undefined) retire(current)
    return Effect.forEach([...former], (one) => Effect.ignore(left(one)), { discard: true, concurrency: "unbounded" })
  })

  return {
    get current() {
      return current
    },
    joined: isJoined.await,
    renew: (membership) => {
      if (membership === current) membership.state = "retiring"
      retire(membership)
    },
    join,
    keep: Effect.gen(function*() {
      let failures = 0
      while (true) {
        if (current === undefined && engine.isOpen) {
          const joined = yield* Effect.result(join)
          if (joined._tag === "Failure") {
            yield* patience.told(joined.failure)
            yield* patience.pause(failures++)
            continue
          }
          failures = 0
        }
        for (const membership of [...former].filter(isDone)) yield* Effect.ignore(left(membership))
        yield* bell.rung
      }
    }),
    leave,
    look: () => {
      if (former.size > 0) bell.ring()
    }
  } satisfies Crew
})
