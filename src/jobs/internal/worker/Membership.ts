/**
 * A worker's standing with its store: one lease for all that was claimed under it. What was claimed under one membership
 * is ended under the same.
 *
 *   current --its claim went unanswered--> retiring --nothing in hand--> left
 *      |                                      |
 *      +--lease lost--------------------------+--> lost
 *
 * A claim that got no answer may have been carried out, and its jobs would be held for as long as the lease is: so the
 * worker goes on under a new membership and leaves the old one when what it has of it is done. What it never got is
 * taken back like the jobs of a worker that died.
 */
import type * as Scope from "effect/Scope"
import type { Member } from "../../JobStore.ts"

export class Membership {
  readonly member: Member
  readonly scope: Scope.Closeable
  /** Jobs claimed under it whose ends are not recorded, and claims under way. */
  inHand = 0
  state: "current" | "retiring" | "lost" = "current"

  constructor(member: Member, scope: Scope.Closeable) {
    this.member = member
    this.scope = scope
  }
}
