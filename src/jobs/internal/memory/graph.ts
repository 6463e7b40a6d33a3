/**
 * Jobs that wait for other jobs. An edge is settled once: when its parent ends, or at once where that has ended already.
 */
import type { NewJob } from "../../JobStore.ts"
import { extraOf, hasEnded, type Row } from "./row.ts"
import type { Tables } from "./tables.ts"

export interface Edge {
  readonly parent: bigint
  readonly child: Row
  readonly on: NewJob["after"][number]["on"]
}

/** What the ends of parents mean for a child. */
export type Verdict = "waits" | "goes on" | "can not go on"

/** Makes a job wait for others. Gives those that can no longer let it go on. */
export const wait = (tables: Tables, child: Row, after: ReadonlyArray<Pick<Edge, "on" | "parent">>): Verdict => {
  const parents = new Map(after.map((edge) => [edge.parent, edge]))
  let isDoomed = false
  for (const { on, parent } of parents.values()) {
    const edge = { parent, child, on }
    put(tables.edges.byChild, child.id, edge)
    const row = tables.rows.get(parent)
    if (row !== undefined && !hasEnded(row)) {
      extraOf(child).waits += 1
      put(tables.edges.byParent, parent, edge)
    } else if (!fires(row, on)) isDoomed = true
  }
  return isDoomed ? "can not go on" : (child.extra?.waits ?? 0) > 0 ? "waits" : "goes on"
}

/** A parent that ended tells its children, each once. Gives those whose waiting is over. */
export const settle = (
  tables: Tables,
  parent: Row
): ReadonlyArray<{ readonly child: Row; readonly verdict: Verdict }> => {
  const edges = tables.edges.byParent.get(parent.id) ?? []
  tables.edges.byParent.delete(parent.id)
  return edges.flatMap(({ child, on }): ReadonlyArray<{ readonly child: Row; readonly verdict: Verdict }> => {
    if (child.place !== "pending") return []
    const extra = extraOf(child)
    extra.waits -= 1
    if (!fires(parent, on)) return [{ child, verdict: "can not go on" }]
    return extra.waits > 0 ? [] : [{ child, verdict: "goes on" }]
  })
}

export const isAwaited = (tables: Tables, row: Row) => tables.edges.byParent.has(row.id)

export const parentsOf = (tables: Tables, id: bigint): ReadonlyArray<bigint> =>
  (tables.edges.byChild.get(id) ?? []).map(({ parent }) => parent)

/** Nobody waits for a job that is no longer kept, and it waits for nobody. */
export const forget = (tables: Tables, row: Row) => {
  tables.edges.byParent.delete(row.id)
  tables.edges.byChild.delete(row.id)
}

/** Of a parent that is no longer kept it is not known how it ended. */
const fires = (parent: Row | undefined, on: Edge["on"]) =>
  on === "any" || (parent !== undefined && (parent.place === "completed") === (on === "completed"))

const put = (edges: Map<bigint, Array<Edge>>, id: bigint, edge: Edge) => {
  const known = edges.get(id)
  if (known === undefined) edges.set(id, [edge])
  else known.push(edge)
}
