/**
 * What every line of an attempt's log carries. To its readers it is an ordinary record; it is made for the first of them,
 * because most attempts log nothing.
 */
import type { LiveAttempt } from "./LiveAttempt.ts"

type Annotations = Readonly<Record<string, unknown>>

export const annotationsOf = (live: LiveAttempt): Annotations =>
  // the proxy shows nothing of its target but the record
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- as said
  new Proxy(live, reading) as unknown as Annotations

const made = new WeakMap<LiveAttempt, Annotations>()

const recordOf = (live: LiveAttempt): Annotations => {
  const known = made.get(live)
  if (known !== undefined) return known
  const { job, runId } = live
  const { actor = null, tenant = null } = job.meta.origin ?? {}
  const record = {
    job_id: job.id,
    run_id: runId,
    task: job.task,
    queue: job.queue,
    attempt: job.attempt,
    ...(tenant === null ? {} : { tenant }),
    ...(actor === null ? {} : { actor })
  }
  made.set(live, record)
  return record
}

const reading: ProxyHandler<LiveAttempt> = {
  get: (live, key) => Reflect.get(recordOf(live), key),
  has: (live, key) => Reflect.has(recordOf(live), key),
  ownKeys: (live) => Reflect.ownKeys(recordOf(live)),
  getOwnPropertyDescriptor: (live, key) => Reflect.getOwnPropertyDescriptor(recordOf(live), key),
  getPrototypeOf: () => Object.prototype,
  set: () => false,
  defineProperty: () => false,
  deleteProperty: () => false
}
