/**
 * Jobs into the database: in the caller's transaction where one is open, and else together with those of others who call at
 * the same moment. None or all of a call are there.
 */
import type * as PgClient from "@effect/sql-pg/PgClient"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type { SqlError } from "effect/sql/SqlError"
import * as SqlFault from "../../../store/SqlFault.ts"
import * as Tx from "../../../store/Tx.ts"
import type { JobId } from "../../Job.ts"
import { EnqueueUnknown, type JobInvalid, JobStoreUnavailable } from "../../JobError.ts"
import type { Enqueued, NewJob, Producing } from "../../JobStore.ts"
import { refusal } from "../refusal.ts"
import * as carried from "./carried.ts"
import type { Answer, Call } from "./carried.ts"
import type { Claims } from "./claim.ts"
import * as columns from "./columns.ts"
import * as EnqueueLane from "./EnqueueLane.ts"
import { idOf } from "./ids.ts"
import * as rows from "./rows.ts"
import type { Standbys } from "./standby.ts"
import { again, inTransaction, outside, type StoreContext, unavailable } from "./StoreContext.ts"
import type { TakenJob } from "./TakenJob.ts"
import type { Wakes } from "./wakes.ts"

type Failure = JobStoreUnavailable | EnqueueUnknown

/**
 * Milliseconds that a statement waits for a lock with which others wait, be they callers or a worker whose claim goes along;
 * a caller alone waits as its connection does.
 */
const sharedWaitMs = 100

export const make = Effect.fnUntraced(function*(ctx: StoreContext, wakes: Wakes, claims: Claims, standbys: Standbys) {
  const { hints, house, limits, names, s, user } = ctx

  const alikeText =
    `select * from ${s}.enqueue_alike($1::int, $2::int, $3::smallint, $4::smallint, $5::text, $6::text[], $7::text[],
      $8::int)`
  const plainText = `select * from ${s}.enqueue($1, $2, $3, $4, $5, $6, $7, $8, $9, $10::int)`
  const keyedText = `select * from ${s}.enqueue_keyed($1::int[], $2::int[], $3::text[], $4::text[], $5::smallint[],
    $6::smallint[], $7::bigint[], $8::timestamptz[], $9::text[], $10::bytea[], $11::bigint[], $12::text[]::"char"[], $13::int)`
  const anyText =
    `select * from ${s}.enqueue_any($1::int[], $2::int[], $3::text[], $4::text[], $5::smallint[], $6::smallint[],
    $7::bigint[], $8::timestamptz[], $9::text[], $10::real[], $11::bigint[], $12::bytea[], $13::bigint[],
    $14::text[]::"char"[], $15::text[]::"char"[], $16::int[], $17::text[], $18::boolean[], $19::boolean[],
    $20::boolean[], $21::bigint[], $22::jsonb, $23::int)`
  const call = (all: ReadonlyArray<rows.Row>, waitMs: number | null): Call => {
    const kind = kindOf(all)
    if (kind === "plain") {
      const first = rows.alike(all)
      return first === undefined
        ? { text: plainText, params: [...rows.plain(names, all), waitMs] }
        : { text: alikeText, params: [...rows.common(names, first, all), waitMs] }
    }
    const plain = rows.plain(names, all)
    return kind === "keyed"
      ? { text: keyedText, params: [...plain, ...rows.keyed(all, waitMs)] }
      : { text: anyText, params: [...plain, ...rows.further(all, limits, waitMs)] }
  }

  /** What comes now may stand before the place where the last claim ended. */
  const hint = (queues: ReadonlyMap<string, number>) => {
    for (const [queue, priority] of queues) hints.before(names.ids(queue, "")[0], priority)
  }

  /** `taken`: what the same statement claimed. */
  const afterwards = (all: ReadonlyArray<rows.Row>, answer: Answer, taken: ReadonlyArray<TakenJob>) =>
    Effect.gen(function*() {
      const queues = areTaken(answer, taken) ? new Map<string, number>() : bestOf(all)
      yield* user.afterCommit(Effect.sync(() => hint(queues)))
      yield* wakes.queues(queues.keys())
      if (answer.due_ms !== null) yield* wakes.due(Number(answer.due_ms))
      if (answer.parked !== null && answer.parked.length > 0) {
        yield* user.afterCommit(admit(answer.parked, answer.parked_keys ?? []))
      }
      const olds = all.flatMap(({ job }) =>
        job.after.flatMap(({ parent }) => typeof parent === "string" ? [parent] : [])
      )
      if (olds.length > 0) yield* user.afterCommit(settle(olds))
    })
  // the sweep does both where they fail
  const admit = (ids: ReadonlyArray<number>, keys: ReadonlyArray<string>) =>
    outside(
      "admit",
      house.unsafe<{ woken: ReadonlyArray<number> }>(`select ${s}.admit_all($1, $2) as woken`, [
        columns.int4(ids),
        columns.text(keys)
      ])
    ).pipe(Effect.flatMap(([row]) => wakes.woken(row?.woken ?? null)), Effect.ignore)
  const settle = (ids: ReadonlyArray<JobId>) =>
    outside(
      "settle",
      house.unsafe<{ due: boolean }>(`select ${s}.settle($1) as due`, [columns.int8(ids.map(BigInt))])
    ).pipe(Effect.flatMap(([row]) => row?.due === true ? wakes.woken([0]) : Effect.void), Effect.ignore)

  const done = (all: ReadonlyArray<rows.Row>, answer: Answer | undefined, taken: ReadonlyArray<TakenJob>) =>
    answer === undefined || answer.ids === null
      ? Effect.succeed<ReadonlyArray<Enqueued>>([])
      : Effect.as(
        afterwards(all, answer, taken),
        answer.ids.map((id, place): Enqueued => ({
          id: idOf(id),
          duplicate: answer.duplicates?.[place] ?? false
        }))
      )
  const run = (sql: PgClient.PgClient, all: ReadonlyArray<rows.Row>, waitMs: number | null) => {
    const { params, text } = call(all, waitMs)
    return Effect.flatMap(sql.unsafe<Answer>(text, params), ([answer]) => done(all, answer, []))
  }
  const carrying = carried.make(s, claims, (error) => outcome(error)._tag === "EnqueueUnknown")
  /** The queue that all are for and that a worker of this process serves: an enqueue of them may carry a claim along. */
  const awaitedQueue = (all: ReadonlyArray<rows.Row>) => {
    const queue = all[0]?.job.queue
    return queue !== undefined && standbys.isAwaited(queue) && all.every(({ job }) => job.queue === queue && isDue(job))
      ? queue
      : null
  }
  const standbyFor = (queue: string, all: ReadonlyArray<rows.Row>) => {
    const found = standbys.find(queue, all.length)
    if (found !== null) hint(bestOf(all))
    return found
  }
  const alone = (all: ReadonlyArray<rows.Row>) =>
    Effect.mapError(Tx.outside(again(run(user, all, null))), outcome).pipe(Effect.withTracerEnabled(false))

  const lane = (name: string) =>
    EnqueueLane.make<rows.Row, Enqueued, Failure>({
      name,
      supervisor: ctx.supervisor,
      send: (all, calls) => {
        const queue = awaitedQueue(all)
        const isShared = calls > 1 || queue !== null
        const wait = isShared ? sharedWaitMs : null
        const sent = queue === null
          ? run(user, all, wait)
          : Effect.flatMap(
            carrying.run(user, call(all, wait), queue, () => standbyFor(queue, all)),
            ({ answer, taken }) => done(all, answer, taken)
          )
        return Tx.outside(sent).pipe(
          Effect.map((answer) => Result.succeed(answer)),
          Effect.catch((error) =>
            isShared && isOfOne(error)
              ? Effect.succeed(undefined)
              : Effect.succeed(Result.fail(outcome(error)))
          ),
          Effect.withTracerEnabled(false)
        )
      },
      alone,
      closed: new JobStoreUnavailable({ operation: "enqueue", detail: "the store was closed" }),
      cutOff: new EnqueueUnknown({ detail: "the store was closed before it answered" })
    })
  const plainLane = yield* lane("jobs enqueue")
  const keyedLane = yield* lane("jobs enqueue unique")

  const isKnown = (jobs: ReadonlyArray<NewJob>) =>
    names.areKnown(jobs) && jobs.every(({ limit }) => limit === null || limits.has(limit.name))
  const know = Effect.fnUntraced(function*(jobs: ReadonlyArray<NewJob>) {
    yield* names.know(jobs)
    const wanted = new Set(jobs.flatMap(({ limit }) => limit === null || limits.has(limit.name) ? [] : [limit.name]))
    if (wanted.size === 0) return
    const found = yield* Tx.outside(
      house.unsafe<{ id: number; name: string }>(
        `select id, name from ${s}.limits where name = any($1) and not removed`,
        [
          columns.text(Array.from(wanted))
        ]
      )
    )
    for (const { id, name } of found) limits.set(name, id)
  })

  const stored = (
    jobs: ReadonlyArray<NewJob>,
    all: ReadonlyArray<rows.Row>
  ): Effect.Effect<ReadonlyArray<Enqueued>, Failure | JobInvalid> => {
    const invalid = refusal(jobs, limits)
    if (invalid !== undefined) return Effect.fail(invalid)
    return Effect.flatMap(inTransaction(user), (isOpen) =>
      isOpen
        ? Effect.mapError(run(user, all, null), (error) => unavailable("enqueue", error))
        : all.length > EnqueueLane.rowsAtMost || jobs.some(({ after }) => after.length > 0)
        ? alone(all)
        : (kindOf(all) === "plain" ? plainLane : keyedLane).submit(all))
  }
  const enqueue: Producing["enqueue"] = (jobs) =>
    Effect.suspend((): ReturnType<typeof stored> => {
      if (jobs.length === 0) return Effect.succeed([])
      const made = rows.make(jobs)
      if (Result.isFailure(made)) return Effect.fail(made.failure)
      return isKnown(jobs) ? stored(jobs, made.success) : know(jobs).pipe(
        Effect.mapError((error) => unavailable("enqueue", error)),
        Effect.withTracerEnabled(false),
        Effect.flatMap(() => stored(jobs, made.success))
      )
    })
  return { enqueue }
})

/** Whether nothing of it is left to claim. */
const areTaken = ({ ids }: Answer, taken: ReadonlyArray<TakenJob>) => {
  if (ids === null || taken.length < ids.length) return false
  const of = new Set(taken.map(({ jobId }) => jobId))
  return ids.every((id) => of.has(id))
}

/** The statement that takes all of them. */
const kindOf = (all: ReadonlyArray<rows.Row>): rows.Kind => {
  let widest: rows.Kind = "plain"
  for (const { kind } of all) {
    if (kind === "any") return kind
    if (kind === "keyed") widest = kind
  }
  return widest
}

const isDue = ({ after, delayMs, runAt }: NewJob) => delayMs <= 0 && runAt === null && after.length === 0

/** Queues that have something to claim now, with the best priority of it. */
const bestOf = (all: ReadonlyArray<rows.Row>): ReadonlyMap<string, number> => {
  const queues = new Map<string, number>()
  for (const { job } of all) {
    if (!isDue(job)) continue
    const best = queues.get(job.queue)
    if (best === undefined || job.priority < best) queues.set(job.queue, job.priority)
  }
  return queues
}

/** What a failed statement means for the jobs in it. */
const outcome = (error: SqlError): Failure => {
  const fault = SqlFault.classify(error)
  const mayBeThere = fault === "connection" && error.reason.operation !== "connect" || shutDown(error)
  return mayBeThere ? new EnqueueUnknown({ detail: SqlFault.explain(error) }) : unavailable("enqueue", error)
}

// said to whoever is connected when the server stops, also just after a commit
const shutDown = (error: SqlError) => {
  const cause = error.reason.cause
  return typeof cause === "object" && cause !== null && "code" in cause &&
    (cause.code === "57P01" || cause.code === "57P02")
}

/** Whether the jobs of one caller may be the reason, so that those of others succeed without them. */
const isOfOne = (error: SqlError) => {
  const fault = SqlFault.classify(error)
  return fault === "permanent" || fault === "constraint" || fault === "transient"
}
