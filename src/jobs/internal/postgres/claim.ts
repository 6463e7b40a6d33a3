/**
 * Claims: jobs of one queue into the hands of a living member, in order.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { SqlError } from "effect/sql/SqlError"
import type { Claimed, Member, Working } from "../../JobStore.ts"
import * as columns from "./columns.ts"
import * as FairClock from "./FairClock.ts"
import { type Cursor, start } from "./hints.ts"
import { isHeld } from "./members.ts"
import { outside, type StoreContext } from "./StoreContext.ts"
import { columns as claimed, type Row, TakenJob } from "./TakenJob.ts"

/** One claim: the parameters of the function `claim`, and what is to be done with its rows. */
export interface Question {
  readonly params: readonly [queue: number, limit: number, worker: number, priority: number, ord: bigint, job: bigint]
  readonly from: Cursor
  /** Monotonic. */
  readonly now: number
  readonly read: (rows: ReadonlyArray<Row>) => Effect.Effect<ReadonlyArray<TakenJob>, SqlError>
}

export interface Claims {
  readonly claim: Working["claim"]
  readonly question: (member: Member, queue: string, limit: number) => Effect.Effect<Question, SqlError>
}

export const make = Effect.fnUntraced(function*(ctx: StoreContext) {
  const { hints, house, names, s } = ctx
  const fairClock = yield* FairClock.make(ctx)
  const text = `select ${claimed} from ${s}.claim($1::int, $2::int, $3::int, $4::smallint, $5::bigint, $6::bigint)`

  const question = (member: Member, queue: string, limit: number): Effect.Effect<Question, SqlError> =>
    Effect.gen(function*() {
      const queueId = yield* names.queueId(queue)
      const now = yield* monotonic
      const from = hints.from(queueId, now)
      return {
        params: [queueId, limit, member.id, from.priority, from.ord, from.jobId],
        from,
        now,
        read: (rows) =>
          Effect.gen(function*() {
            const tasks = yield* names.taskNames(new Set(rows.map(([, , , , taskId]) => taskId)))
            const jobs = inOrder(rows.map((row) => new TakenJob(queue, queueId, tasks.get(row[4]) ?? "", row)))
            const last = jobs.at(-1)
            if (last === undefined) return jobs
            yield* fairClock.reached(queueId, last)
            yield* started(jobs)
            return jobs
          })
      }
    })
  const take = (
    member: Member,
    queue: string,
    limit: number
  ): Effect.Effect<ReadonlyArray<Claimed>, SqlError> =>
    Effect.gen(function*() {
      const { from, now, params, read } = yield* question(member, queue, limit)
      const values = yield* house.unsafe(text, params).values
      // the columns of `claimed`
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- as said
      const jobs = yield* read(values as unknown as ReadonlyArray<Row>)
      const last = jobs.at(-1)
      hints.reached(params[0], from, last !== undefined && jobs.length >= limit ? cursor(last) : null, now)
      // what the hint passed over may be all that there is
      return last === undefined && from !== start ? yield* take(member, queue, limit) : jobs
    })
  /** Keys that are free from the start on. */
  const started = (jobs: ReadonlyArray<TakenJob>): Effect.Effect<void, SqlError> => {
    const ids = jobs.filter(({ flags }) => (flags & 16) === 16).map(({ jobId }) => jobId)
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
  return { claim, question } satisfies Claims
})

const cursor = ({ jobId, ord, priority }: TakenJob): Cursor => ({ priority, ord, jobId })

/** As a rule they are already. */
const inOrder = (jobs: ReadonlyArray<TakenJob>): ReadonlyArray<TakenJob> =>
  jobs.every((job, place) => place === 0 || before(jobs[place - 1] ?? job, job) < 0) ? jobs : jobs.toSorted(before)

const before = (a: TakenJob, b: TakenJob) =>
  a.priority - b.priority || compare(a.ord, b.ord) || compare(a.jobId, b.jobId)

const compare = (a: bigint, b: bigint) => a < b ? -1 : a > b ? 1 : 0

const monotonic = Effect.map(Clock.monotonicTimeNanos, (nanos) => Number(nanos / 1_000_000n))
