/**
 * Why a job was started once more: what was done to whoever had it before.
 *
 * Pure. A start that nothing explains is a broken promise.
 */
import type { Life, Window } from "../processes.ts"
import { type LineOf, poisonExit } from "./model.ts"

/** What was done to the system, besides to the lives of its processes. */
export interface Dealt {
  /** From the signal until the server accepted connections again. */
  readonly restarts: ReadonlyArray<Window>
  /** Times in which the ways of a place passed nothing on. */
  readonly holes: ReadonlyArray<Window & { readonly place: string }>
  /** Other harm to the connections of a place. */
  readonly cuts: ReadonlyArray<{
    readonly at: number
    readonly place: string
    /** All of them were closed. */
    readonly isWhole?: boolean
  }>
}

/** Why a job was started once more. */
export type Cause = "retry" | "outage" | "kill" | "poison" | "stop" | "hole"

/** Causes by which a worker lost the job without a word, so that it had to be taken back. */
export type Loss = Exclude<Cause, "retry" | "outage">

/** From so long on an absence may cost the leases: a worker gives up by itself some time before its lease ends. */
const leaseAtRiskMs = 15_000

/** The same where the server has closed the connection that beats: it looks like a process that is gone. */
const looksDeadMs = 2500

/** A beat is at most so long ago. */
const beatMs = 5000

/** Whether a life was ended by a job that it ran. */
export const diedOfPoison = ({ end }: Life): boolean =>
  end?.by === "itself" && (end.how === "SIGABRT" || end.how === 134 || end.how === poisonExit)

/** Whether a life ended as it began, since there was no database just then: with the exit code that says so. */
export const foundNoDatabase = (life: Life, dealt: Dealt): boolean =>
  life.end?.by === "itself" && life.end.how === 69 && hadOutage(life, dealt, life.end.at)

/**
 * How `life` can have lost a job between two instants; undefined: it cannot. The instant is when the loss began.
 */
export const lossOf = (
  life: Life,
  dealt: Dealt,
  between: Window
): { readonly cause: Loss; readonly at: number } | undefined => {
  const { end } = life
  if (end !== undefined && end.at >= between.from && end.at <= between.until) {
    if (end.by === "kill") return { cause: "kill", at: end.at }
    if (diedOfPoison(life)) return { cause: "poison", at: end.at }
  }
  const isLong = (away: Window) => {
    const ms = Math.min(away.until, between.until) - away.from
    const span = { from: away.from - beatMs, until: Math.min(away.until, between.until) }
    const isCut = dealt.restarts.some((restart) => overlap(restart, span)) ||
      dealt.cuts.some((cut) => cut.place === life.place && overlap({ from: cut.at, until: cut.at }, span))
    return overlap(away, between) && ms >= (isCut ? looksDeadMs : leaseAtRiskMs)
  }
  const stop = life.stops.find(isLong)
  if (stop !== undefined) return { cause: "stop", at: stop.from }
  const hole = dealt.holes.find((hole) => hole.place === life.place && isLong(hole))
  return hole === undefined ? undefined : { cause: "hole", at: hole.from }
}

/** Whether two windows have an instant in common. */
export const overlap = (one: Window, other: Window): boolean => one.from <= other.until && one.until >= other.from

/** Whether something was done to the database, or to the ways of this life, shortly before an instant. */
export const hadOutage = (life: Life, dealt: Dealt, at: number): boolean => {
  const near = ({ from, until }: Window) => from <= at && until >= at - outageTailMs
  return dealt.restarts.some(near) || life.stops.some(near) ||
    dealt.holes.some((hole) => hole.place === life.place && near(hole)) ||
    dealt.cuts.some((cut) => cut.place === life.place && near({ from: cut.at, until: cut.at }))
}

// a statement that waits for the server gives up after ten seconds, and the driver after five more
const outageTailMs = 15_000

/**
 * Why the job was started again at `nextAt`, after a start whose last line is `end`. A job that was claimed before a stop may
 * be started after it, when another worker has it already: so it counts when it was claimed.
 */
export const causeOf = (
  claimedAt: number,
  end: LineOf<"end"> | undefined,
  nextAt: number,
  life: Life | undefined,
  dealt: Dealt
): Cause | undefined => {
  if (end?.how === "planned") return "retry"
  if (life === undefined) return undefined
  if (end?.how === "failed") return hadOutage(life, dealt, end.at) ? "outage" : undefined
  return lossOf(life, dealt, { from: claimedAt, until: nextAt })?.cause
}
