/**
 * A shape: tables and statements that could carry the room `jobs`, as data, so that one driver runs them all.
 *
 * The driver is the same for every shape (one claiming fiber, bounded queue, long-lived handler fibers, completing fibers), so a
 * difference between two rows of the table is a difference of their SQL.
 */
import * as PgTypes from "@effect/sql-pg/PgTypes"
import * as Result from "effect/Result"
import type { Payload } from "../JobSystem.ts"

/** One statement with its parameters, in order. */
export interface Statement {
  readonly text: string
  readonly values: ReadonlyArray<unknown>
}

/** A claimed row, columns by name, as the client decodes it. */
export type Row = Readonly<Record<string, unknown>>

/** Where the last claim of a queue ended: the greatest key claimed. */
export interface Cursor {
  readonly priority: number
  readonly ord: bigint
  readonly jobId: bigint
}

/** The cursor in front of every key. */
export const fromStart: Cursor = { priority: -32768, ord: -1n, jobId: -1n }

/** A shape. */
export interface Shape {
  /** Row label, unique. */
  readonly name: string
  /** What differs, in one line. */
  readonly about: string
  /** Scripts that make the schema, in order. */
  readonly schema: ReadonlyArray<string>
  /** Answers one row with a boolean column `left`. */
  readonly left: string
  /** Registers the process and answers one row with a column `id`; absent: no worker rows. */
  readonly register?: Statement | undefined
  readonly enqueue: (jobs: ReadonlyArray<Payload>) => Statement
  readonly claim: (worker: number, cursor: Cursor, limit: number) => Statement
  readonly finish: (worker: number, rows: ReadonlyArray<Row>) => Statement
  /** Finish and claim in one statement; rows without a job are the answer of an empty claim. Replaces both other statements. */
  readonly exchange?:
    | ((worker: number, ended: ReadonlyArray<Row>, cursor: Cursor, limit: number) => Statement)
    | undefined
  /** The cursor after a claim; absent: every claim scans from the start. */
  readonly cursor?: ((last: Row) => Cursor) | undefined
  /** The payload of a claimed row. */
  readonly payload: (row: Row) => Payload
  /** Claiming fibers. Defaults to 1. */
  readonly claimers?: number | undefined
  /** Completing fibers. Defaults to 1. */
  readonly completers?: number | undefined
  /** Jobs per claim and per finish. Defaults to 1000. */
  readonly batch?: number | undefined
}

/** An array parameter with its element type named, so that an empty or all-null array binds as well. */
export const column = (values: ReadonlyArray<unknown>, oid: number): PgTypes.Parameter =>
  Result.getOrThrow(PgTypes.array(values, oid))

/** Element types of array parameters. */
export const OID = PgTypes.OID
