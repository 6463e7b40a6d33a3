import type { NewJob } from "ostinato/jobs/JobStore"

/** A job that is due at once and asks for nothing special. */
export const newJob = (queue: string, more: Partial<NewJob> = {}): NewJob => ({
  id: null,
  queue,
  task: "count",
  payload: {},
  meta: {},
  priority: 0,
  maxAttempts: 20,
  delayMs: 0,
  runAt: null,
  unique: null,
  limit: null,
  tenant: null,
  cost: 1,
  after: [],
  ...more
})
