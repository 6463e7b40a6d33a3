/**
 * A rate that is learnt from the far side: what it takes before it says "too many" is what it is given from then on.
 *
 *   none --refused--> cooldown --over--> learning --refused after some--> learned --refused--> cooldown
 *                                        learning --refused at once--> cooldown
 *
 * `epoch` tells which phase a request belongs to: a refusal of an older one changes nothing. Instants and durations are in
 * milliseconds.
 */
import type { AdaptivePhase } from "effect/persistence/RateLimiter"
import type { Decision } from "./keyedState.ts"

export type Adaptive = {
  readonly phase: "cooldown" | "learning" | "learned"
  readonly epoch: number
  readonly cooldownUntil: number
  readonly learningSince: number
  readonly tokens: number
  readonly limit: number
  readonly windowMs: number
  readonly expiresAt: number
}

export interface Consumed {
  readonly delayMs: number
  readonly epoch: number
  readonly phase: AdaptivePhase
}

/** How long a state is kept when nothing happens. */
const graceMs = 60_000

/** What the far side says is not believed beyond an hour. */
const clamp = (ms: number) => ms > 0 ? Math.min(ms, 3_600_000) : 1

const keep = (state: Adaptive) => ({ state, expiresAt: state.expiresAt })

const cooling = (epoch: number, until: number): Adaptive => ({
  phase: "cooldown",
  epoch,
  cooldownUntil: until,
  learningSince: 0,
  tokens: 0,
  limit: 0,
  windowMs: 0,
  expiresAt: until + graceMs
})

export const consume = (
  state: Adaptive | undefined,
  now: number,
  { tokens, windowMs }: { readonly tokens: number; readonly windowMs: number }
): Decision<Adaptive, Consumed> => {
  if (state === undefined) return { answer: { delayMs: 0, epoch: 0, phase: "inactive" }, next: undefined }
  const { epoch, phase } = state
  switch (phase) {
    case "cooldown": {
      if (state.cooldownUntil > now) {
        return { answer: { delayMs: state.cooldownUntil - now, epoch, phase }, next: undefined }
      }
      const learning: Adaptive = {
        ...state,
        phase: "learning",
        epoch: epoch + 1,
        learningSince: now,
        tokens,
        expiresAt: now + windowMs + graceMs
      }
      return { answer: { delayMs: 0, epoch: epoch + 1, phase: "learning" }, next: keep(learning) }
    }
    case "learning":
      return { answer: { delayMs: 0, epoch, phase }, next: keep({ ...state, tokens: state.tokens + tokens }) }
    case "learned": {
      const eachMs = state.windowMs / state.limit
      const isOver = state.cooldownUntil <= now
      const taken = (isOver ? 0 : state.tokens) + tokens
      const cooldownUntil = (isOver ? now : state.cooldownUntil) + eachMs * tokens
      const elapsed = taken * eachMs - (cooldownUntil - now)
      const wait = Math.floor((taken - 1) / state.limit) * state.windowMs - elapsed
      return {
        answer: { delayMs: Math.max(0, wait), epoch, phase },
        next: keep({ ...state, tokens: taken, cooldownUntil })
      }
    }
  }
}

/** The far side said "too many", and when to come again. */
export const refused = (
  state: Adaptive | undefined,
  now: number,
  { epoch, retryAfterMs, tokens }: { readonly epoch: number; readonly retryAfterMs: number; readonly tokens: number }
): Decision<Adaptive, void> => {
  const waitMs = clamp(retryAfterMs)
  const until = now + waitMs
  const nothing = { answer: undefined, next: undefined }
  if ((state?.epoch ?? 0) !== epoch) return nothing
  if (state === undefined) return { ...nothing, next: keep(cooling(0, until)) }
  if (state.phase === "cooldown") {
    return { ...nothing, next: keep(cooling(epoch, Math.max(state.cooldownUntil, until))) }
  }
  const accepted = state.tokens - tokens
  if (state.phase === "learned" || accepted <= 0) return { ...nothing, next: keep(cooling(epoch, until)) }
  const windowMs = clamp(now - state.learningSince + waitMs)
  return {
    ...nothing,
    next: keep({
      ...state,
      phase: "learned",
      epoch: epoch + 1,
      cooldownUntil: state.learningSince + windowMs,
      tokens: accepted,
      limit: accepted,
      windowMs,
      expiresAt: now + windowMs + graceMs
    })
  }
}
