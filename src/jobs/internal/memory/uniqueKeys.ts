/**
 * Who has a unique key. A key is free when its time is over, or when its job ends or starts, as it was taken.
 */
import type { NewJob } from "../../JobStore.ts"
import { extraOf, type Row } from "./row.ts"
import type { Tables } from "./tables.ts"

export const holderOf = (tables: Tables, key: string, now: number): Row | undefined => {
  const row = tables.keys.get(key)
  return row?.extra?.key === undefined || row.extra.key === null || row.extra.key.until <= now ? undefined : row
}

export const take = (tables: Tables, row: Row, unique: NonNullable<NewJob["unique"]>, now: number) => {
  const until = unique.withinMs === null ? Number.POSITIVE_INFINITY : now + unique.withinMs
  drop(tables, tables.keys.get(unique.key))
  extraOf(row).key = { name: unique.key, until, release: unique.until }
  tables.keys.set(unique.key, row)
}

/** The job has come so far. */
export const release = (tables: Tables, row: Row, stage: "started" | "done") => {
  const key = row.extra?.key
  if (key === null || key === undefined) return
  if (key.release === stage || (stage === "done" && key.release === "started")) drop(tables, row)
}

/** Frees its key whatever was agreed. */
export const drop = (tables: Tables, row: Row | undefined) => {
  if (row?.extra?.key === undefined || row.extra.key === null) return
  tables.keys.delete(row.extra.key.name)
  row.extra.key = null
}

/** Frees the keys whose time is over. */
export const sweep = (tables: Tables, now: number) => {
  for (const row of tables.keys.values()) if ((row.extra?.key?.until ?? now) <= now) drop(tables, row)
}
