/**
 * A circuit: whether calls are let through, decided by how those before them fared.
 *
 *   closed --too many failures--> open --its time is over--> half open, one probe at a time
 *   half open --probe succeeded--> closed     half open --probe failed--> open, for longer
 *
 * `generation` fences outcomes: what a call of an older one reports changes nothing. A probe holds a lease, so that one
 * whose process died lets another begin. Instants and durations are in milliseconds.
 */
import type { TripPolicy } from "effect/persistence/CircuitBreaker"
import type { Decision } from "./keyedState.ts"

export type Circuit = {
  readonly state: "closed" | "open" | "half open"
  readonly generation: number
  readonly openUntil: number
  readonly openings: number
  readonly lastOpenMs: number
  /** From then on the openings count from anew. */
  readonly resetAt: number
  /** The probe's lease; 0: none runs. */
  readonly probeUntil: number
  readonly streak: number
  /** The newest outcomes, oldest first: 1 for a failure. */
  readonly ring: string
}

export type Admitted =
  | { readonly kind: "open"; readonly forMs: number }
  | { readonly kind: "probing" }
  | {
    readonly kind: "admitted"
    readonly generation: number
    readonly isProbe: boolean
    readonly openings: number
    readonly moved: boolean
  }

export type Moved = { readonly from: "closed" | "half open"; readonly to: "open" | "closed"; readonly openings: number }

export interface Timing {
  readonly idleMs: number
  readonly leaseMs: number
}

/** Above all that were given before, also where the state was removed in between: micro-seconds since 1970. */
const next = (generation: number, now: number) => Math.max(generation + 1, Math.floor(now * 1000))

const keep = (circuit: Circuit, now: number, idleMs: number) => ({
  state: circuit,
  expiresAt: Math.max(now, circuit.openUntil, circuit.probeUntil) + idleMs
})

export const admit = (circuit: Circuit | undefined, now: number, timing: Timing): Decision<Circuit, Admitted> => {
  if (circuit === undefined) {
    const fresh: Circuit = {
      state: "closed",
      generation: next(0, now),
      openUntil: 0,
      openings: 0,
      lastOpenMs: 0,
      resetAt: 0,
      probeUntil: 0,
      streak: 0,
      ring: ""
    }
    return {
      answer: { kind: "admitted", generation: fresh.generation, isProbe: false, openings: 0, moved: false },
      next: keep(fresh, now, timing.idleMs)
    }
  }
  const { generation, state } = circuit
  if (state === "closed") {
    const openings = now >= circuit.resetAt ? 0 : circuit.openings
    return {
      answer: { kind: "admitted", generation, isProbe: false, openings, moved: false },
      next: keep({ ...circuit, openings }, now, timing.idleMs)
    }
  }
  if (state === "open" && now < circuit.openUntil) {
    return { answer: { kind: "open", forMs: circuit.openUntil - now }, next: undefined }
  }
  if (state === "half open" && circuit.probeUntil > now) return { answer: { kind: "probing" }, next: undefined }
  const probing: Circuit = {
    ...circuit,
    state: "half open",
    generation: next(generation, now),
    openUntil: 0,
    probeUntil: now + timing.leaseMs
  }
  return {
    answer: {
      kind: "admitted",
      generation: probing.generation,
      isProbe: true,
      openings: circuit.openings,
      moved: state === "open"
    },
    next: keep(probing, now, timing.idleMs)
  }
}

/** A longer lease of a probe; false where it is no longer the probe. */
export const renew = (
  circuit: Circuit | undefined,
  now: number,
  generation: number,
  timing: Timing
): Decision<Circuit, boolean> =>
  circuit === undefined || circuit.state !== "half open" || circuit.generation !== generation ||
    circuit.probeUntil === 0
    ? { answer: false, next: undefined }
    : { answer: true, next: keep({ ...circuit, probeUntil: now + timing.leaseMs }, now, timing.idleMs) }

export const record = (
  circuit: Circuit | undefined,
  now: number,
  { generation, openMs, outcome, policy }: {
    readonly generation: number
    readonly outcome: "Success" | "Failure" | "Ignored"
    readonly policy: TripPolicy
    readonly openMs: number
  },
  timing: Timing
): Decision<Circuit, Moved | undefined> => {
  const unchanged = { answer: undefined, next: undefined }
  if (circuit === undefined || circuit.generation !== generation || circuit.state === "open") return unchanged
  const cleared = { streak: 0, ring: "", probeUntil: 0, generation: next(generation, now) }
  const open = (from: "closed" | "half open"): Decision<Circuit, Moved | undefined> => {
    const openings = circuit.openings + 1
    return {
      answer: { from, to: "open", openings },
      next: keep(
        { ...circuit, ...cleared, state: "open", openUntil: now + openMs, lastOpenMs: openMs, openings },
        now,
        timing.idleMs
      )
    }
  }
  if (circuit.state === "half open") {
    if (outcome === "Failure") return open("half open")
    if (outcome === "Ignored") {
      // a renewal that is under way finds another generation, so the place stays free
      return {
        ...unchanged,
        next: keep({ ...circuit, probeUntil: 0, generation: cleared.generation }, now, timing.idleMs)
      }
    }
    return {
      answer: { from: "half open", to: "closed", openings: circuit.openings },
      next: keep({ ...circuit, ...cleared, state: "closed", resetAt: now + circuit.lastOpenMs }, now, timing.idleMs)
    }
  }
  if (outcome === "Ignored") return unchanged
  const failed = outcome === "Failure"
  const streak = failed ? circuit.streak + 1 : 0
  const ring = policy._tag === "Rate" ? (circuit.ring + (failed ? "1" : "0")).slice(-policy.size) : circuit.ring
  const trips = policy._tag === "Consecutive" ? streak >= policy.failures : isBad(ring, policy)
  return trips ? open("closed") : { ...unchanged, next: keep({ ...circuit, streak, ring }, now, timing.idleMs) }
}

const isBad = (ring: string, { minimumCalls, threshold }: Extract<TripPolicy, { readonly _tag: "Rate" }>) => {
  const failures = ring.replaceAll("0", "").length
  return ring.length >= minimumCalls && failures > 0 && failures / ring.length >= threshold
}
