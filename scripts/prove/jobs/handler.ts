/**
 * What a job does, and what it writes about itself: its first step and its last one, into the file of its process.
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as SqlClient from "effect/sql/SqlClient"
import * as Attempt from "ostinato/core/Attempt"
import { type JobId, jobIdOf } from "ostinato/jobs/Job"
import * as JobAttempt from "ostinato/jobs/JobAttempt"
import { Database } from "ostinato/store/Database"
import { type Line, type LineOf, type Payload, poisonExit } from "./model.ts"
import { Away, Planned, Refused, Work } from "./work.ts"

/** The handler's Layer for one process. */
export const handler = (options: {
  readonly proc: string
  readonly write: (line: Line) => void
  /** Of what the process claimed last. */
  readonly epochs: ReadonlyMap<JobId, number>
}) =>
  Work.toLayer(Effect.fnUntraced(function*(payload) {
    const { proc, write } = options
    const { number, runId } = yield* Attempt.Attempt
    const id = jobIdOf(runId)
    if (id === null) return yield* Effect.die(new Error(`run ${runId} is no job`))
    const epoch = options.epochs.get(id) ?? -1
    const at = yield* Clock.currentTimeMillis
    write({ op: "start", proc, id, key: payload.key, epoch, at })
    const ended = (exit: Exit.Exit<unknown, Away | Planned | Refused>) =>
      Effect.map(Clock.currentTimeMillis, (at) => {
        // committed together with the effect
        if (Exit.isSuccess(exit) && payload.tx) {
          write({ op: "finish", proc, id, epoch, outcome: "completed", accepted: true, at })
        }
        write({ op: "end", proc, id, epoch, at, ...howOf(exit) })
      })
    const attempt = Effect.onExit(act(payload, number, epoch), ended)
    // like code that ignores a request to stop: where the job was taken from it meanwhile, the database refuses what it did
    yield* payload.tx && payload.kind === "long" ? Effect.uninterruptible(attempt) : attempt
  }))

const act = (payload: Payload, attempt: number, epoch: number) =>
  Effect.gen(function*() {
    switch (payload.kind) {
      case "abort":
        return yield* Effect.sync(() => process.abort())
      case "exit":
        return yield* Effect.sync(() => process.exit(poisonExit))
      case "flaky":
        if (attempt === 1) return yield* new Planned()
    }
    if (payload.tx) yield* transactional(payload, epoch)
    else yield* Effect.sleep(payload.ms)
  })

/** A long one works before its transaction, the others in it. */
const transactional = ({ key, kind, ms }: Payload, epoch: number) =>
  Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    const isLong = kind === "long"
    if (isLong) yield* Effect.sleep(ms)
    yield* Database.transaction(Effect.gen(function*() {
      yield* sql`INSERT INTO prove.effect (key, epoch) VALUES (${key}, ${epoch})`
      if (!isLong) yield* Effect.sleep(ms)
      yield* JobAttempt.completeTx()
    }))
  }).pipe(Effect.catchTags({
    LeaseLost: ({ message }) => new Refused({ detail: message }),
    JobStoreUnavailable: ({ message }) => new Away({ detail: message }),
    SqlError: (error) => new Away({ detail: String(error.cause ?? error) }),
    OtherTransaction: (error) => Effect.die(error)
  }))

const howOf = (exit: Exit.Exit<unknown, Away | Planned | Refused>): Pick<LineOf<"end">, "how" | "detail"> => {
  if (Exit.isSuccess(exit)) return { how: "done" }
  if (Cause.hasInterrupts(exit.cause)) return { how: "interrupted" }
  const error = Cause.squash(exit.cause)
  if (error instanceof Planned) return { how: "planned" }
  if (error instanceof Refused) return { how: "fenced" }
  return { how: "failed", detail: error instanceof Away ? error.detail : String(error) }
}
