/** Workers of this process that an enqueue may claim for, by queue: the first that has room. */
import * as Effect from "effect/Effect"
import type { Standby, Working } from "../../JobStore.ts"
import { isHeld } from "./members.ts"

type Ask = Parameters<Working["standby"]>[1]

export interface Standbys {
  readonly standby: Working["standby"]
  /** Whether anybody asks for jobs of this queue at all. */
  readonly isAwaited: (queue: string) => boolean
  readonly find: (queue: string, most: number) => Standby | null
}

export const make = (): Standbys => {
  const all = new Map<string, Set<Ask>>()
  return {
    standby: (queue, ask) =>
      Effect.asVoid(Effect.acquireRelease(
        Effect.sync(() => {
          const asks = all.get(queue) ?? new Set()
          all.set(queue, asks.add(ask))
        }),
        () => Effect.sync(() => void all.get(queue)?.delete(ask))
      )),
    isAwaited: (queue) => (all.get(queue)?.size ?? 0) > 0,
    find: (queue, most) => {
      for (const ask of all.get(queue) ?? []) {
        const found = ask(most)
        if (found === null) continue
        if (isHeld(found.member)) return found
        found.answer(Effect.succeed([]))
      }
      return null
    }
  }
}
