/**
 * What attempts say about how far they are, given to the store together, at most twice a second: of one attempt the last
 * word counts, and the first comes at once.
 */
import * as Effect from "effect/Effect"
import type * as Schema from "effect/Schema"
import type { JobStore } from "../../JobStore.ts"
import { Bell } from "./Bell.ts"
import type { LiveAttempt } from "./LiveAttempt.ts"
import type { Patience } from "./patience.ts"

/** Milliseconds between two statements. */
const every = 500

export class Sayings {
  private readonly bell = new Bell()
  private said = new Map<LiveAttempt, Schema.Json>()

  say(live: LiveAttempt, value: Schema.Json): void {
    this.said.set(live, value)
    if (this.said.size === 1) this.bell.ring()
  }

  loop(store: JobStore["Service"], patience: Patience): Effect.Effect<void> {
    const tell = Effect.suspend(() => {
      const said = [...this.said].filter(([live]) => live.place !== "ended" && live.membership.state !== "lost")
      this.said = new Map()
      const memberships = new Set(said.map(([live]) => live.membership))
      return Effect.forEach(memberships, (membership) => {
        const own = said.filter(([live]) => live.membership === membership)
        // a word that is lost is followed by another, or by the end
        return Effect.catch(
          patience.ask(
            "progress",
            store.progress(membership.member, own.map(([{ job }, value]) => ({ job, value })))
          ),
          patience.told
        )
      }, { discard: true })
    })
    return Effect.forever(Effect.andThen(this.bell.rung, Effect.andThen(tell, Effect.sleep(every))))
  }
}
