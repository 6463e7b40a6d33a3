/**
 * An attempt that broke because what it stands on was away: the database, or a store of ours in it. That is no bug of
 * its handler, so its job is tried again, though each time counts.
 */
import * as Cause from "effect/Cause"
import { CheckpointUnavailable } from "../../../core/CheckpointStore.ts"
import { RunLogUnavailable } from "../../../core/RunLog.ts"
import * as Outage from "../../../store/Outage.ts"
import { JobStoreUnavailable } from "../../JobError.ts"

/** Whether it broke by that alone. */
export const wasAway = (cause: Cause.Cause<unknown>): boolean => {
  const defects = cause.reasons.filter(Cause.isDieReason)
  return defects.length > 0 && defects.every(({ defect }) => isAway(defect))
}

/** Milliseconds until it is tried again: 1, 2, 4 … 60 seconds. */
export const delayAfter = (failures: number): number => Math.min(60_000, 1000 * 2 ** Math.min(failures - 1, 6))

const isAway = (defect: unknown) =>
  defect instanceof CheckpointUnavailable || defect instanceof JobStoreUnavailable ||
  defect instanceof RunLogUnavailable || Outage.isOutage(defect)
