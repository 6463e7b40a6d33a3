/**
 * All of the tables as they were, for a transaction that fails. Rows and members stay the objects that they are.
 */
import type { Entry } from "./members.ts"
import type { Life, Row } from "./row.ts"
import type { Tables } from "./tables.ts"

/** Gives what puts everything back. */
export const take = (tables: Tables): () => void => {
  const undo = [
    map(tables.rows),
    map(tables.keys),
    map(tables.limits),
    lists(tables.edges.byParent),
    lists(tables.edges.byChild),
    set(tables.holds),
    set(tables.held),
    set(tables.ended),
    map(tables.members),
    tables.due.snapshot(),
    fields(tables, ["lastId", "lastMember"])
  ]
  const queues = new Set(tables.queues.values())
  for (const row of tables.rows.values()) undo.push(rowAsItIs(row))
  for (const entry of tables.members.values()) undo.push(memberAsItIs(entry))
  for (const queue of tables.queues.values()) {
    undo.push(
      fields(queue, ["settings", "pausedAt", "isRemoved"]),
      queue.ready.snapshot(),
      map(queue.live),
      fields(queue.fair, ["clock"]),
      map(queue.fair.tenants)
    )
  }
  for (const table of tables.limits.values()) {
    undo.push(fields(table, ["limit", "isRemoved"]), map(table.keys))
    for (const key of table.keys.values()) {
      undo.push(fields(key, ["tat", "heldUntil"]), set(key.admitted), key.parked.snapshot())
    }
  }
  return () => {
    for (const back of undo) back()
    // one that is known by now stays so: somebody may wait for its jobs
    for (const queue of tables.queues.values()) {
      if (queues.has(queue)) continue
      queue.ready.clear()
      queue.live.clear()
    }
  }
}

const rowAsItIs = (row: Row) => {
  const { at, extra, life, meta, ord, payload, place, priority, slot } = row
  const saved = {
    at,
    meta,
    ord,
    payload,
    place,
    priority,
    slot,
    extra: extra === null ? null : { ...extra },
    life: life === null ? null : lifeAsItIs(life)
  }
  return () => void Object.assign(row, saved)
}

const lifeAsItIs = (life: Life): Life => ({ ...life, entries: [...life.entries] })

const memberAsItIs = (entry: Entry) => {
  const running = set(entry.running)
  const mail = map(entry.mail)
  return () => {
    running()
    mail()
  }
}

const fields = <A extends object>(of: A, names: ReadonlyArray<keyof A>) => {
  const saved = names.map((name) => [name, of[name]] as const)
  return () => {
    for (const [name, value] of saved) of[name] = value
  }
}

const map = <K, V>(of: Map<K, V>) => {
  const saved = new Map(of)
  return () => {
    of.clear()
    for (const [key, value] of saved) of.set(key, value)
  }
}

const lists = <K, V>(of: Map<K, Array<V>>) => {
  const saved = Array.from(of, ([key, list]) => [key, [...list]] as const)
  return () => {
    of.clear()
    for (const [key, list] of saved) of.set(key, [...list])
  }
}

const set = <A>(of: Set<A>) => {
  const saved = new Set(of)
  return () => {
    of.clear()
    for (const value of saved) of.add(value)
  }
}
