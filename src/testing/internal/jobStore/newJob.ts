import type { NewJob } from "../../../jobs/JobStore.ts"

/** A job that is due at once and asks for nothing special. */
export const newJob = (queue: string, more: Partial<NewJob> = {}): NewJob => ({
  id: null,
  queue,
  task: "suite.task",
  payload: {},
  meta: {},
  priority: 0,
  maxAttempts: 20,
  delayMs: 0,
  runAt: null,
  deadlineMs: null,
  unique: null,
  limit: null,
  tenant: null,
  cost: 1,
  after: [],
  ...more
})
