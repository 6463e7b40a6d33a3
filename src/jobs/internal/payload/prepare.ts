/**
 * What a caller asked for as a row: every value is looked at, and what cannot be stored is refused with its name.
 */
import * as Cause from "effect/Cause"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { Origin } from "../../../core/RunContext.ts"
import type { Trigger } from "../../../core/TaskRun.ts"
import { JobId, type JobMeta } from "../../Job.ts"
import { JobInvalid } from "../../JobError.ts"
import type { JobRequest, Parent } from "../../JobOptions.ts"
import type { NewJob } from "../../JobStore.ts"
import * as PayloadVersion from "../../PayloadVersion.ts"
import { immediate } from "../immediate.ts"
import { keyOf } from "../unique/key.ts"
import { encoded } from "./encoded.ts"
import { badName } from "./names.ts"
import { unfitOf } from "./unfit.ts"

/** Who asks, and why. */
export interface Surroundings {
  readonly origin: Origin
  /** Null: code, of which a job need not tell. */
  readonly trigger: Trigger | null
  readonly traceparent: string | null
}

/** The place of a request in its call. */
type PlaceOf = (request: JobRequest) => number | undefined

/** A request as a row, at once for nearly all payloads. */
export const prepare = (
  request: JobRequest,
  around: Surroundings,
  placeOf: PlaceOf,
  part?: Schema.Json
): Effect.Effect<NewJob, JobInvalid> => {
  const { options, task } = request
  const refuse = (detail: string) => Exit.fail(new JobInvalid({ task: task.name, detail }))
  const problem = problemOf(task.name, options)
  if (problem !== undefined) return refuse(problem)
  const encoding = encoded(task, request.payload)
  const known = immediate(encoding)
  const finish = (json: Schema.Json | undefined) => row(request, json ?? null, around, placeOf, part)
  return known !== undefined ? finish(known.value) : encoding.pipe(
    Effect.catchCause((cause) =>
      refuse(`its payload does not fit: ${Cause.prettyErrors(cause).map(({ message }) => message).join("; ")}`)
    ),
    Effect.flatMap(finish)
  )
}

const row = (
  request: JobRequest,
  payload: Schema.Json,
  around: Surroundings,
  placeOf: PlaceOf,
  part: Schema.Json | undefined
): Exit.Exit<NewJob, JobInvalid> => {
  const { options, task } = request
  const refuse = (detail: string) => Exit.fail(new JobInvalid({ task: task.name, detail }))
  const unfit = unfitOf(payload)
  if (unfit !== undefined) return refuse(`its payload ${unfit}`)
  const tenant = options.tenant ?? around.origin.tenant
  const after: Array<NewJob["after"][number]> = []
  for (const parent of options.after ?? []) {
    const found = edge(parent, placeOf)
    if (typeof found === "string") return refuse(found)
    after.push(found)
  }
  const limit = limitOf(options)
  return Exit.succeed({
    id: options.id ?? null,
    queue: options.queue ?? "default",
    task: task.name,
    payload,
    meta: metaOf(request, around, { tenant, limit, part }),
    priority: priorityOf(options.priority),
    maxAttempts: options.maxAttempts ?? 20,
    delayMs: options.delay === undefined ? 0 : millis(options.delay),
    runAt: options.at === undefined ? null : DateTime.toUtc(options.at),
    deadlineMs: options.deadline === undefined || DateTime.isDateTime(options.deadline)
      ? null
      : millis(options.deadline),
    unique: options.unique === undefined ? null : uniqueOf(task.name, tenant, payload, options.unique),
    limit,
    tenant,
    cost: options.cost ?? 1,
    after
  })
}

const metaOf = (
  { options, task }: JobRequest,
  { origin, traceparent, trigger }: Surroundings,
  { limit, part, tenant }: {
    readonly tenant: string | null
    readonly limit: NewJob["limit"]
    readonly part: Schema.Json | undefined
  }
): JobMeta => {
  const version = options.version ?? PayloadVersion.versionOf(task)
  const by = options.trigger ?? trigger
  const meta: { -readonly [Key in keyof JobMeta]: JobMeta[Key] } = {}
  if (by !== null) meta.trigger = by
  if (tenant !== null || origin.actor !== null) meta.origin = { tenant, actor: origin.actor }
  if (traceparent !== null) meta.traceparent = traceparent
  if (options.tags !== undefined && options.tags.length > 0) meta.tags = Array.from(new Set(options.tags))
  if (version !== 1) meta.version = version
  if (options.timeout !== undefined) meta.timeoutMs = millis(options.timeout)
  if (DateTime.isDateTime(options.deadline)) meta.deadline = DateTime.toEpochMillis(options.deadline)
  if (limit !== null) meta.limit = limit
  if (part !== undefined) meta.part = part
  return meta
}

const limitOf = ({ limit, orderBy }: JobRequest["options"]): NewJob["limit"] =>
  orderBy !== undefined
    ? { name: "order", key: orderBy, strict: true }
    : limit === undefined
    ? null
    : { name: limit.name, key: limit.key, strict: false }

const priorities = { high: -100, normal: 0, low: 100 } as const

const priorityOf = (priority: JobRequest["options"]["priority"]) =>
  typeof priority === "number" ? priority : priorities[priority ?? "normal"]

const uniqueOf = (
  task: string,
  tenant: string | null,
  payload: Schema.Json,
  { by, onConflict, until, within }: NonNullable<JobRequest["options"]["unique"]>
): NewJob["unique"] => ({
  key: keyOf(task, tenant, payload, by),
  withinMs: within === undefined ? null : millis(within),
  until: until ?? (within === undefined ? "done" : "forever"),
  // a merge has taken the holder back by then, or it runs
  onConflict: typeof onConflict === "object" ? "skip" : onConflict ?? "skip"
})

/** Or why there is none. */
const edge = (parent: Parent, placeOf: PlaceOf): NewJob["after"][number] | string => {
  const { job, on } = typeof parent === "object" && "job" in parent
    ? parent
    : { job: parent, on: "completed" as const }
  if (typeof job === "string") return { parent: job, on }
  const place = placeOf(job)
  return place === undefined
    ? `it comes after a job of task ${job.task.name} that this call does not enqueue`
    : { parent: place, on }
}

const problemOf = (task: string, options: JobRequest["options"]): string | undefined => {
  const { after, at, cost, deadline, delay, id, limit, maxAttempts, orderBy, priority, tags, tenant, timeout, unique } =
    options
  return badName("the name of its task", task) ??
    (options.queue === undefined ? undefined : badName("queue", options.queue)) ??
    (typeof priority === "number" && !isInt(priority, -32_768, 32_767)
      ? `priority ${priority} is no whole number from -32768 to 32767`
      : typeof priority === "string" && !Object.hasOwn(priorities, priority)
      ? `priority ${JSON.stringify(priority)} is none of high, normal, low`
      : undefined) ??
    (delay !== undefined && at !== undefined ? "delay and at are both given: leave one out" : undefined) ??
    badDuration("delay", delay, 0) ??
    badInstant("at", at) ??
    badDuration("timeout", timeout, 1) ??
    (deadline !== undefined && DateTime.isDateTime(deadline)
      ? badInstant("deadline", deadline)
      : badDuration("deadline", deadline, 1)) ??
    (maxAttempts === undefined || isInt(maxAttempts, 1, 32_767)
      ? undefined
      : `maxAttempts ${maxAttempts} is no whole number from 1 to 32767`) ??
    (cost === undefined || Number.isFinite(cost) && cost > 0 && cost <= 1e6
      ? undefined
      : `cost ${cost} is no number above 0 and at most 1000000`) ??
    (tags === undefined || tags.length <= 64 ? undefined : `it has ${tags.length} tags, and at most 64 are kept`) ??
    tags?.map((tag) => badName("tag", tag)).find((problem) => problem !== undefined) ??
    (tenant === undefined ? undefined : badName("tenant", tenant)) ??
    (limit === undefined ? undefined : badName("limit", limit.name) ?? badName("the key of its limit", limit.key)) ??
    (orderBy === undefined ? undefined : badName("orderBy", orderBy)) ??
    (limit === undefined || orderBy === undefined ? undefined : "limit and orderBy are both given: leave one out") ??
    (unique === undefined ? undefined : badDuration("unique.within", unique.within, 1)) ??
    (id === undefined || isId(id) ? undefined : `id ${JSON.stringify(id)} is no job id: make one by JobQueue.newId`) ??
    (after?.map((parent) => badParent(parent)).find((problem) => problem !== undefined))
}

const badParent = (parent: Parent) => {
  const job = typeof parent === "object" && "job" in parent ? parent.job : parent
  return typeof job !== "string" || isId(job) ? undefined : `after names ${JSON.stringify(job)}, which is no job id`
}

const isId = Schema.is(JobId)

const isInt = (value: number, from: number, to: number) => Number.isInteger(value) && value >= from && value <= to

const longest = Duration.toMillis(Duration.days(36_500))

const badDuration = (what: string, input: Duration.Input | undefined, least: number) => {
  if (input === undefined) return undefined
  const read = Duration.fromInput(input)
  // NaN is read as no time at all
  const length = Option.isNone(read) || Number.isNaN(input) ? Number.NaN : Duration.toMillis(read.value)
  return length >= least && length <= longest
    ? undefined
    : `${what} ${
      typeof input === "object" ? JSON.stringify(input) : String(input)
    } is no duration from ${least} ms to 100 years`
}

const latest = Date.UTC(9999, 11, 31)

const badInstant = (what: string, at: DateTime.DateTime | undefined) => {
  if (at === undefined) return undefined
  const millis = DateTime.isDateTime(at) ? at.epochMilliseconds : Number.NaN
  return millis >= 0 && millis <= latest ? undefined : `${what} is no instant from 1970 to 9999`
}

const millis = (input: Duration.Input) => Math.ceil(Duration.toMillis(Duration.fromInputUnsafe(input)))
