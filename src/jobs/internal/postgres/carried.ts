/**
 * An enqueue that carries a claim along: the jobs are there and claimed by one commit, where a worker of this process has
 * room. It is the claim that the worker would make next, so it takes what stands first, whether that is new or not, and
 * nothing of a queue that is paused.
 *
 * The worker is told whatever becomes of it: where nobody knows whether it was committed, as of a claim that went
 * unanswered. It keeps room until then, so it is asked when there is a connection, and not before.
 */
import type * as PgClient from "@effect/sql-pg/PgClient"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import type { Connection } from "effect/sql/SqlConnection"
import type { SqlError } from "effect/sql/SqlError"
import { JobStoreUnavailable } from "../../JobError.ts"
import type { Standby } from "../../JobStore.ts"
import type { Claims } from "./claim.ts"
import { unavailable } from "./StoreContext.ts"
import { columns as claimed, type Row, type TakenJob } from "./TakenJob.ts"

/** What the functions that enqueue answer. */
export interface Answer {
  readonly ids: ReadonlyArray<bigint> | null
  readonly duplicates: ReadonlyArray<boolean> | null
  readonly parked: ReadonlyArray<number> | null
  readonly parked_keys: ReadonlyArray<string> | null
  readonly due_ms: bigint | null
}

/** The function that enqueues, as it is called, and its parameters. */
export interface Call {
  readonly text: string
  readonly params: ReadonlyArray<unknown>
}

type Line = readonly [
  ...answer: [Answer["ids"], Answer["duplicates"], Answer["parked"], Answer["parked_keys"], bigint | null],
  ...Row
]

const none: ReadonlyArray<TakenJob> = []

export const make = (s: string, { question }: Pick<Claims, "question">, isUnknown: (error: SqlError) => boolean) => {
  const texts = new Map<string, string>()
  const textOf = ({ params, text }: Call) => {
    let carrying = texts.get(text)
    if (carrying === undefined) {
      const at = (place: number) => `$${params.length + place}`
      const once = (column: string) => `case when coalesce(c.nth, 1) = 1 then e.${column} end`
      // the claim is made after the insert, for it is asked for with what that answers
      carrying = `select ${["ids", "duplicates", "parked", "parked_keys", "due_ms"].map(once).join(", ")}, c.*
        from (${text}) e left join lateral (
          select ${claimed}, nth from ${s}.claim(${at(1)}::int, case when e.ids is null then 0 else ${at(2)}::int end,
            ${at(3)}::int, ${at(4)}::smallint, ${at(5)}::bigint, ${at(6)}::bigint) with ordinality as t(priority, ord,
            job_id, epoch, attempt, lost, available_at, started_at, task_id, max_attempts, args, meta, created_at, flags, nth)
        ) c on true`
      texts.set(text, carrying)
    }
    return carrying
  }

  const along = (
    connection: Connection,
    call: Call,
    queue: string,
    { answer, limit, member }: Standby
  ): Effect.Effect<Outcome, SqlError> =>
    Effect.gen(function*() {
      const { params, read } = yield* question(member, queue, limit)
      const lines = yield* linesOf(connection, textOf(call), [...call.params, ...params])
      const rows = lines.flatMap((line): ReadonlyArray<Row> => {
        const [, , , , , ...row] = line
        return row[0] === null ? [] : [row]
      })
      // it is committed, so what fails from here on is the worker's alone
      const taken = yield* Effect.result(read(rows))
      answer(
        Result.isSuccess(taken)
          ? Effect.succeed(taken.success)
          : Effect.fail(unavailable("claim", taken.failure))
      )
      return { answer: answerOf(lines), taken: Result.getOrElse(taken, () => none) }
    }).pipe(
      Effect.onExit((exit) =>
        Effect.sync(() => {
          if (Exit.isSuccess(exit)) return
          const error = Option.getOrUndefined(Cause.findErrorOption(exit.cause))
          answer(
            error === undefined
              ? Effect.fail(cutOff)
              : isUnknown(error)
              ? Effect.fail(unavailable("claim", error))
              : Effect.succeed(none)
          )
        })
      )
    )

  /** What was enqueued, and what was claimed of it or of what stood before it, if a worker was found. */
  const run = (
    sql: PgClient.PgClient,
    call: Call,
    queue: string,
    find: () => Standby | null
  ): Effect.Effect<Outcome, SqlError> =>
    Effect.scoped(Effect.flatMap(sql.reserve, (connection) => {
      const standby = find()
      return standby === null
        ? Effect.map(linesOf(connection, call.text, call.params), (lines) => ({ answer: answerOf(lines), taken: none }))
        : along(connection, call, queue, standby)
    }))
  return { run }
}

interface Outcome {
  readonly answer: Answer | undefined
  readonly taken: ReadonlyArray<TakenJob>
}

const linesOf = (connection: Connection, text: string, params: ReadonlyArray<unknown>) =>
  // the columns of `textOf`, or those of `Answer` alone
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- as said
  Effect.map(connection.executeValues(text, params), (values) => values as unknown as ReadonlyArray<Line>)

const answerOf = ([first]: ReadonlyArray<Line>): Answer | undefined =>
  first === undefined ? undefined : {
    ids: first[0],
    duplicates: first[1],
    parked: first[2],
    parked_keys: first[3],
    due_ms: first[4]
  }

const cutOff = new JobStoreUnavailable({ operation: "claim", detail: "the store was closed before it answered" })
