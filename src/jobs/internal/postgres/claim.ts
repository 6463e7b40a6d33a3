/**
 * Claims: jobs of one queue into the hands of a living member, in order.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as Schema from "effect/Schema"
import type { SqlError } from "effect/sql/SqlError"
import type { JobMeta } from "../../Job.ts"
import type { Claimed, Member, Working } from "../../JobStore.ts"
import * as columns from "./columns.ts"
import * as FairClock from "./FairClock.ts"
import { type Cursor, start } from "./hints.ts"
import { idOf } from "./ids.ts"
import { isHeld } from "./members.ts"
import { outside, type StoreContext } from "./StoreContext.ts"

/** Where a claimed job is: what a write about it names, besides worker and epoch. */
export interface Address {
  readonly queueId: number
  readonly priority: number
  readonly ord: bigint
  readonly jobId: bigint
  /** 1 has a key | 2 has children | 4 has a limit | 16 the key is free at the start | 32 keeps its permit. */
  readonly flags: number
}

// every job that is handed over here has one
// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the driver's own, opaque to everybody else
export const addressOf = (job: Claimed): Address => job.address as Address

export const make = Effect.fnUntraced(function*(ctx: StoreContext) {
  const { hints, house, names, s } = ctx
  const fairClock = yield* FairClock.make(ctx)
  const text = `select * from ${s}.claim($1::int, $2::int, $3::int, $4::smallint, $5::bigint, $6::bigint)`

  const take = (
    member: Member,
    queue: string,
    limit: number
  ): Effect.Effect<ReadonlyArray<Claimed>, SqlError> =>
    Effect.gen(function*() {
      const queueId = yield* names.queueId(queue)
      const now = yield* monotonic
      const from = hints.from(queueId, now)
      const rows = inOrder(
        yield* house.unsafe<Row>(text, [queueId, limit, member.id, from.priority, from.ord, from.jobId])
      )
      const last = rows.at(-1)
      hints.reached(queueId, from, last !== undefined && rows.length >= limit ? cursor(last) : null, now)
      // what the hint passed over may be all that there is
      if (last === undefined) return from === start ? [] : yield* take(member, queue, limit)
      const tasks = yield* names.taskNames(new Set(rows.map((row) => row.task_id)))
      yield* fairClock.reached(queueId, rows)
      yield* started(rows)
      return rows.map((row): Claimed => ({
        id: idOf(row.job_id),
        queue,
        task: tasks.get(row.task_id) ?? "",
        payload: row.args,
        meta: row.meta ?? {},
        attempt: row.attempt,
        maxAttempts: row.max_attempts,
        lost: row.lost,
        epoch: row.epoch,
        createdAt: row.created_at.getTime(),
        availableAt: row.available_at.getTime(),
        startedAt: row.started_at.getTime(),
        awaited: (row.flags & 2) === 2,
        address: {
          queueId,
          priority: row.priority,
          ord: row.ord,
          jobId: row.job_id,
          flags: row.flags
        } satisfies Address
      }))
    })
  /** Keys that are free from the start on. */
  const started = (rows: ReadonlyArray<Row>): Effect.Effect<void, SqlError> => {
    const ids = rows.filter(({ flags }) => (flags & 16) === 16).map((row) => row.job_id)
    return ids.length === 0
      ? Effect.void
      : Effect.asVoid(
        house.unsafe(`delete from ${s}.uniq where job_id = any($1) and release = 's'`, [columns.int8(ids)])
      )
  }
  const claim: Working["claim"] = (member, queue, limit) =>
    Effect.suspend(() =>
      limit <= 0 || !isHeld(member) ? Effect.succeed([]) : outside("claim", take(member, queue, limit))
    )
  return { claim }
})

interface Row {
  readonly priority: number
  readonly ord: bigint
  readonly job_id: bigint
  readonly epoch: number
  readonly attempt: number
  readonly lost: number
  readonly available_at: Date
  readonly started_at: Date
  readonly task_id: number
  readonly max_attempts: number
  readonly args: Schema.Json
  readonly meta: JobMeta | null
  readonly created_at: Date
  readonly flags: number
}

const cursor = ({ job_id, ord, priority }: Row): Cursor => ({ priority, ord, jobId: job_id })

/** As a rule they are already. */
const inOrder = (rows: ReadonlyArray<Row>): ReadonlyArray<Row> =>
  rows.every((row, place) => place === 0 || before(rows[place - 1] ?? row, row) < 0) ? rows : [...rows].sort(before)

const before = (a: Row, b: Row) => a.priority - b.priority || compare(a.ord, b.ord) || compare(a.job_id, b.job_id)

const compare = (a: bigint, b: bigint) => a < b ? -1 : a > b ? 1 : 0

const monotonic = Effect.map(Clock.monotonicTimeNanos, (nanos) => Number(nanos / 1_000_000n))
