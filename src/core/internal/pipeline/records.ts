/**
 * What is kept and said of the stages of one run of a pipeline when it has ended.
 */
import * as Effect from "effect/Effect"
import type { StageRecord } from "../../TaskRun.ts"
import { isFatal, type Place, type Places } from "./Place.ts"

export const make = (places: Places, path: ReadonlyArray<string>, times: {
  readonly beganAt: bigint
  readonly now: bigint
}): ReadonlyArray<StageRecord> => {
  const millis = (from: bigint, to: bigint) => Number(to - from) / 1e6
  const failed = Array.from(places.values()).find(isFatal)
  return Array.from(places.values(), (place): StageRecord => {
    const { endedAt, stage, startedAt, times: elsewhere } = place
    return {
      stage: [...path, stage.name].join("/"),
      task: stage.task.name,
      ...ended(place, failed),
      startMs: startedAt === undefined ? elsewhere?.startMs ?? null : millis(times.beganAt, startedAt),
      runMs: startedAt === undefined ? elsewhere?.runMs ?? 0 : millis(startedAt, endedAt ?? times.now)
    }
  })
}

const ended = (
  { outcome, stage, startedAt }: Place,
  failed: Place | undefined
): Pick<StageRecord, "status" | "skipped"> => {
  if (outcome?.status === "skipped") {
    return { status: "skipped", skipped: { by: outcome.by, reason: outcome.reason } }
  }
  if (outcome !== undefined) return { status: outcome.status, skipped: null }
  if (startedAt !== undefined) return { status: "interrupted", skipped: null }
  if (failed === undefined) {
    return { status: "skipped", skipped: { by: "stop", reason: "the pipeline was interrupted" } }
  }
  const reason = `${failed.name} failed`
  return { status: "skipped", skipped: { by: stage.before.has(failed.name) ? "dependency" : "stop", reason } }
}

/** One line for the whole. `completed`: every stage has ended by itself, well or not. */
export const summary = (
  pipeline: string,
  records: ReadonlyArray<StageRecord>,
  end: "completed" | "stopped"
): Effect.Effect<void> => {
  const count = (status: StageRecord["status"]) => records.filter((record) => record.status === status).length
  return Effect.annotateLogs(Effect.logInfo(`pipeline.${end}`), {
    pipeline,
    ok: count("completed"),
    failed: count("failed"),
    interrupted: count("interrupted"),
    skipped: count("skipped"),
    stages: Object.fromEntries(records.map(({ runMs, stage }) => [stage.slice(stage.lastIndexOf("/") + 1), runMs]))
  })
}
