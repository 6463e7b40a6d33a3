/** What the parts of the suite `jobs` agree on. */
import * as Schema from "effect/Schema"

/** The queue of all jobs. */
export const queue = "squall"

/**
 * What a job does.
 *
 * - `quick` takes 1 to 5 ms, `medium` 50 ms, `long` 5 s.
 * - `flaky` fails at its first attempt.
 * - `abort` and `exit` end their process.
 */
export const Kind = Schema.Literals(["quick", "medium", "long", "flaky", "abort", "exit"])

/** What a job does. */
export type Kind = typeof Kind.Type

/** Whether a job of this kind ends every process that runs it. */
export const isPoison = (kind: Kind): boolean => kind === "abort" || kind === "exit"

/** The payload of every job. */
export const Payload = Schema.Struct({
  /** Its name, given by the producer. */
  key: Schema.String,
  kind: Kind,
  /** Its effect and its completion commit together. */
  tx: Schema.Boolean,
  ms: Schema.Int
})

/** The payload of every job. */
export type Payload = typeof Payload.Type

/** Exit code of a process that a job of kind `exit` ended. */
export const poisonExit = 99

/** A line of a process' file. Instants are milliseconds since 1970. */
export const Line = Schema.Union([
  /** A producer is about to enqueue it. */
  Schema.Struct({ op: Schema.Literal("try"), key: Schema.String }),
  /** It was told that the job is there. */
  Schema.Struct({ op: Schema.Literal("ack"), key: Schema.String, id: Schema.String }),
  /** It rolled back the transaction in which it had enqueued. */
  Schema.Struct({ op: Schema.Literal("undone"), key: Schema.String }),
  /** A worker was given the job; `at` by the clock of the database. */
  Schema.Struct({
    op: Schema.Literal("claim"),
    proc: Schema.String,
    id: Schema.String,
    epoch: Schema.Int,
    attempt: Schema.Int,
    lost: Schema.Int,
    at: Schema.Finite
  }),
  /** The first step of its handler. */
  Schema.Struct({
    op: Schema.Literal("start"),
    proc: Schema.String,
    id: Schema.String,
    key: Schema.String,
    epoch: Schema.Int,
    at: Schema.Finite
  }),
  /** The last one: what it did stands, it failed as planned, it failed since the database did, it was refused, or cut. */
  Schema.Struct({
    op: Schema.Literal("end"),
    proc: Schema.String,
    id: Schema.String,
    epoch: Schema.Int,
    how: Schema.Literals(["done", "planned", "failed", "fenced", "interrupted"]),
    at: Schema.Finite,
    detail: Schema.optionalKey(Schema.String)
  }),
  /** The store answered to the end of an attempt; `at` is when it was asked. */
  Schema.Struct({
    op: Schema.Literal("finish"),
    proc: Schema.String,
    id: Schema.String,
    epoch: Schema.Int,
    outcome: Schema.String,
    accepted: Schema.Boolean,
    at: Schema.Finite
  })
])

/** A line of a process' file. */
export type Line = typeof Line.Type

/** The lines of one kind. */
export type LineOf<Op extends Line["op"]> = Extract<Line, { readonly op: Op }>

/** A job as the database has it. */
export interface Row {
  readonly id: string
  readonly payload: Payload
  readonly state: string
  /** Of the attempt that ended it; null while none has. */
  readonly epoch: number | null
}
