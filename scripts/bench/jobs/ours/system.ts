/** A shape as a system of the jobs suite. */
import type { JobSystem } from "../JobSystem.ts"
import type { Shape } from "./Shape.ts"

/** The system that drives this shape through `@effect/sql-pg`. */
export const oursSystem = (shape: Shape): JobSystem => ({
  name: shape.name,
  about: shape.about,
  backlog: 50_000,
  prepare: async (connection) => {
    for (const script of shape.schema) await connection.query(script)
  },
  left: shape.left,
  driver: { module: "ours/driver.ts", name: shape.name }
})
