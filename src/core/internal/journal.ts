/**
 * What happened within one run: its attempts and stages, what it logged, how its items fared. Bounded, whatever the run does.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import type { Items } from "../Attempt.ts"
import type { AttemptRecord, LogLine, RunDetails, StageRecord } from "../TaskRun.ts"
import { keep } from "./capture.ts"

export interface Journal {
  readonly begin: (task: string) => void
  readonly add: (attempt: AttemptRecord) => void
  readonly stage: (stage: StageRecord) => void
  /** A second report from the same place replaces the first. */
  readonly items: (place: string, items: Items) => void
  /** Keeps what is logged through it. */
  readonly logger: Logger.Logger<unknown, void> | undefined
}

export interface Recorded extends Journal {
  /** Attempts that a task has begun. */
  readonly begun: (task: string) => number
  /** All reports as one; null when there was none. */
  readonly total: () => Items | null
  readonly details: () => RunDetails
}

/** Attempts kept of a run, and stages. */
const capacity = 100

const nowhere: Journal = { begin: () => {}, add: () => {}, stage: () => {}, items: () => {}, logger: undefined }

/** The journal of the run that this fiber works for. */
export const Journal = Context.Reference<Journal>("ostinato/core/internal/journal/Journal", {
  defaultValue: () => nowhere
})

/** Keeps what the work logs, beside the loggers that are there. */
export const logged = <A, E, R>(work: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.flatMap(Journal, ({ logger }) =>
    logger === undefined
      ? work
      : Effect.updateService(work, Logger.CurrentLoggers, (loggers) => new Set([...loggers, logger])))

export const make = (): Recorded => {
  const counts = new Map<string, number>()
  const attempts: Array<AttemptRecord> = []
  const stages: Array<StageRecord> = []
  const logs: Array<LogLine> = []
  const reports = new Map<string, Items>()
  return {
    begin: (task) => void counts.set(task, (counts.get(task) ?? 0) + 1),
    add: (attempt) => {
      attempts.push(attempt)
      if (attempts.length > capacity) attempts.shift()
    },
    stage: (stage) => {
      stages.push(stage)
      if (stages.length > capacity) stages.shift()
    },
    items: (place, items) => void reports.set(place, items),
    logger: keep(logs),
    begun: (task) => counts.get(task) ?? 0,
    total: () => reports.size === 0 ? null : Array.from(reports.values()).reduce(sum),
    // copies: what outlives the run goes on to tell its journal
    details: () => ({
      attempts: [...attempts],
      logs: [...logs],
      ...(stages.length === 0 ? {} : { stages: [...stages] })
    })
  }
}

const sum = (a: Items, b: Items): Items => ({
  succeeded: a.succeeded + b.succeeded,
  failed: a.failed + b.failed,
  summary: [a.summary, b.summary].filter((summary) => summary !== "").join("; ")
})
