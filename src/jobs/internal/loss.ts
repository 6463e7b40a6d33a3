/**
 * What is written into the history of a job whose worker was lost while it had it in hand, and what that says of the job.
 *
 * - It died: the process is gone and has not come back, as far as anybody can see. The job may be what ended it. It is taken
 *   for that when it ran alone, at its third death, and at its tenth in any company.
 * - It lapsed: the process lives. It was stopped, or cut off, or gave the job up. That says nothing about the job, however
 *   often it happens, and spends no more than an attempt.
 *
 * Both count in `lost`, which the retry policy of a task does not see. A process that comes back turns the first into the
 * second.
 */

/** So many deaths of its workers discard a job that was alone in the last one. */
export const maxDeaths = 3

/** So many discard it in any company. */
export const mostDeaths = 10

export const died = {
  kind: "interruption",
  tag: "WorkerLost",
  message: "the process that ran it was lost",
  cause: ""
} as const

export const lapsed = {
  kind: "interruption",
  tag: "LeaseLost",
  message: "the process that ran it lives, but had lost its lease or gave the job up",
  cause: ""
} as const
