/**
 * Queues and tasks by their numbers: asked for once, then remembered. Names are never removed, so what is remembered stays
 * true. New ones are written in a short transaction of their own, never in the caller's.
 */
import type * as PgClient from "@effect/sql-pg/PgClient"
import * as Effect from "effect/Effect"
import type { SqlError } from "effect/sql/SqlError"
import * as Tx from "../../../store/Tx.ts"
import * as columns from "./columns.ts"

export interface Names {
  /** The number of a queue, which is made where it is not known. */
  readonly queueId: (name: string) => Effect.Effect<number, SqlError>
  /** Makes known that these queues are used for these tasks; for `queueOf` and `taskOf`. */
  readonly know: (
    pairs: ReadonlyArray<{ readonly queue: string; readonly task: string }>
  ) => Effect.Effect<void, SqlError>
  /** Whether all of them are. */
  readonly areKnown: (pairs: ReadonlyArray<{ readonly queue: string; readonly task: string }>) => boolean
  /** Of names that are known. */
  readonly ids: (queue: string, task: string) => readonly [queue: number, task: number]
  readonly queueNames: (ids: ReadonlyArray<number>) => Effect.Effect<ReadonlyArray<string>, SqlError>
  /** Names of the tasks with these numbers, by number. */
  readonly taskNames: (ids: Iterable<number>) => Effect.Effect<ReadonlyMap<number, string>, SqlError>
}

/** `s` is the schema as a quoted identifier. */
export const make = (house: PgClient.PgClient, s: string): Names => {
  const queues = new Map<string, number>()
  const queueNames = new Map<number, string>()
  const tasks = new Map<string, number>()
  const taskNames = new Map<number, string>()
  const pairs = new Set<string>()

  const remember = (rows: ReadonlyArray<NameRow>) => {
    for (const row of rows) {
      queues.set(row.queue, row.queue_id)
      queueNames.set(row.queue_id, row.queue)
      if (row.task === null || row.task_id === null) continue
      tasks.set(row.task, row.task_id)
      taskNames.set(row.task_id, row.task)
      pairs.add(pairOf(row.queue, row.task))
    }
  }
  const ask = (wanted: ReadonlyArray<{ readonly queue: string; readonly task: string | null }>) =>
    Effect.map(
      Tx.outside(house.unsafe<NameRow>(`select * from ${s}.names($1, $2)`, [
        columns.text(wanted.map(({ queue }) => queue)),
        columns.text(wanted.map(({ task }) => task))
      ])),
      remember
    )
  const known = (map: ReadonlyMap<number, string>, ids: Iterable<number>) => {
    const missing = new Set<number>()
    for (const id of ids) if (!map.has(id)) missing.add(id)
    return Array.from(missing)
  }
  const read = (table: "queue" | "task", names: Map<number, string>, missing: ReadonlyArray<number>) =>
    Effect.map(
      Tx.outside(house.unsafe<{ id: number; name: string }>(`select id, name from ${s}.${table} where id = any($1)`, [
        columns.int4(missing)
      ])),
      (rows) => {
        for (const { id, name } of rows) names.set(id, name)
      }
    )

  return {
    queueId: (name) =>
      Effect.suspend(() => {
        const id = queues.get(name)
        return id === undefined
          ? Effect.map(ask([{ queue: name, task: null }]), () => queues.get(name) ?? 0)
          : Effect.succeed(id)
      }),
    know: (wanted) =>
      Effect.suspend(() => {
        const missing = new Map<string, { readonly queue: string; readonly task: string }>()
        for (const pair of wanted) {
          const key = pairOf(pair.queue, pair.task)
          if (!pairs.has(key)) missing.set(key, pair)
        }
        return missing.size === 0 ? Effect.void : ask(Array.from(missing.values()))
      }),
    // neighbours are alike as a rule
    areKnown: (wanted) =>
      wanted.every(({ queue, task }, place) => {
        const before = wanted[place - 1]
        return before !== undefined && before.queue === queue && before.task === task || pairs.has(pairOf(queue, task))
      }),
    ids: (queue, task) => [queues.get(queue) ?? 0, tasks.get(task) ?? 0],
    queueNames: (ids) =>
      Effect.suspend(() => {
        const missing = known(queueNames, ids)
        return Effect.map(
          missing.length === 0 ? Effect.void : read("queue", queueNames, missing),
          () => ids.flatMap((id) => queueNames.get(id) ?? [])
        )
      }),
    taskNames: (ids) =>
      Effect.suspend(() => {
        const missing = known(taskNames, ids)
        return Effect.as(missing.length === 0 ? Effect.void : read("task", taskNames, missing), taskNames)
      })
  }
}

interface NameRow {
  readonly queue: string
  readonly queue_id: number
  readonly task: string | null
  readonly task_id: number | null
}

const pairOf = (queue: string, task: string) => `${queue}\n${task}`
