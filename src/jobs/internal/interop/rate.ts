/**
 * How many tokens of a key are left: windows that follow one another, and a bucket that fills by one each interval.
 */
import type { Decision } from "./keyedState.ts"

/** Tokens taken, and when all of them are forgotten. */
export type Window = { readonly count: number; readonly expiresAt: number }

/** Tokens left, below zero where they were taken ahead, and when the last of them came in. */
export type Bucket = { readonly tokens: number; readonly filledAt: number }

/** The count with these tokens, also where they are refused, and how long until the window is over. */
export const fixedWindow = (
  state: Window | undefined,
  now: number,
  { limit, refillMs, tokens }: {
    readonly limit: number | undefined
    readonly refillMs: number
    readonly tokens: number
  }
): Decision<Window, readonly [count: number, ttl: number]> => {
  const window = state === undefined || state.expiresAt <= now ? { count: 0, expiresAt: now } : state
  const count = window.count + tokens
  if (limit !== undefined && limit > 0 && count > limit) {
    return { answer: [count, window.expiresAt - now], next: undefined }
  }
  const expiresAt = window.expiresAt + refillMs * tokens
  return { answer: [count, expiresAt - now], next: { state: { count, expiresAt }, expiresAt } }
}

/** The tokens that are left, below zero where they are refused or taken ahead, and how far the interval has gone. */
export const tokenBucket = (
  state: Bucket | undefined,
  now: number,
  { allowOverflow, limit, refillMs, tokens }: {
    readonly limit: number
    readonly refillMs: number
    readonly tokens: number
    readonly allowOverflow: boolean
  }
): Decision<Bucket, readonly [remaining: number, elapsedMs: number]> => {
  const before = state ?? { tokens: limit, filledAt: now }
  const intervals = Math.max(0, Math.floor((now - before.filledAt) / refillMs))
  const filled = Math.min(limit, before.tokens + intervals)
  const filledAt = filled >= limit ? now : before.filledAt + intervals * refillMs
  const remaining = filled - tokens
  const kept = allowOverflow || remaining >= 0 ? remaining : filled
  return {
    answer: [remaining, Math.max(0, now - filledAt)],
    // full again then, which is as good as none
    next: { state: { tokens: kept, filledAt }, expiresAt: filledAt + Math.max(1, Math.ceil(limit - kept)) * refillMs }
  }
}
