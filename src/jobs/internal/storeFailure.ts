/**
 * Why a job ended although no attempt of it said so: the same words in every store. What a lost worker leaves is in `loss`.
 */
import type { Cancellation } from "../../core/TaskRun.ts"
import type { JobFailure } from "../Job.ts"

const interruption = (tag: string, message: string): JobFailure => ({ kind: "interruption", tag, message, cause: "" })

/** Its unique key went to another. */
export const superseded = interruption("Superseded", "a newer job with the same unique key took its place")

/** It can never start. */
export const parentNotCompleted = interruption(
  "ParentNotCompleted",
  "a job that it waited for ended in another way than it waits for, or is no longer kept"
)

/** Somebody wanted it to end. */
export const cancelled = (by: Cancellation): JobFailure => {
  const who = by.actor === null ? "" : ` by ${by.actor}`
  const why = by.reason === null ? "" : `: ${by.reason}`
  return { ...interruption("Cancelled", `cancelled${who}${why}`), cancellation: by }
}
