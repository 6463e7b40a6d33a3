/**
 * What no store takes: jobs that name a limit which is not there, and jobs that could never run.
 */
import { JobInvalid } from "../JobError.ts"
import type { NewJob } from "../JobStore.ts"

/** Why the jobs of a call are refused, if they are. */
export const refusal = (
  jobs: ReadonlyArray<NewJob>,
  limits: { readonly has: (name: string) => boolean }
): JobInvalid | undefined => {
  for (const { limit, task } of jobs) {
    if (limit !== null && !limits.has(limit.name)) {
      return new JobInvalid({ task, detail: `there is no limit ${limit.name}: set it first, with JobQueue.setLimit` })
    }
  }
  return circular(jobs)
}

/** Jobs of one call that wait for one another in a circle would never run; nor would one that waits for what is not there. */
const circular = (jobs: ReadonlyArray<NewJob>): JobInvalid | undefined => {
  if (jobs.every(({ after }) => after.length === 0)) return undefined
  const state = new Map<number, "open" | "checked">()
  const visit = (place: number, by: string): JobInvalid | undefined => {
    const job = jobs[place]
    if (job === undefined) {
      return new JobInvalid({ task: by, detail: `it waits for place ${place} of ${jobs.length} in the same call` })
    }
    if (state.get(place) === "checked") return undefined
    if (state.get(place) === "open") {
      return new JobInvalid({ task: job.task, detail: `at place ${place} it waits for itself` })
    }
    state.set(place, "open")
    for (const { parent } of job.after) {
      const found = typeof parent === "number" ? visit(parent, job.task) : undefined
      if (found !== undefined) return found
    }
    state.set(place, "checked")
    return undefined
  }
  for (const [place, job] of jobs.entries()) {
    const found = job.after.length > 0 ? visit(place, job.task) : undefined
    if (found !== undefined) return found
  }
  return undefined
}
