/** A shape as a system of the suite `jobs-shapes`. */
import type { JobSystem } from "../JobSystem.ts"
import { inPostgres, type PostgresNeeds } from "../places/Postgres.ts"
import type { Shape } from "./Shape.ts"

/** The database of a shape. */
export const databaseOf = (shape: Shape): PostgresNeeds => ({
  name: shape.name,
  prepare: async (connection) => {
    for (const script of shape.schema) await connection.query(script)
  },
  left: shape.left
})

/** The system that drives this shape through `@effect/sql-pg`. */
export const shapeSystem = (shape: Shape): JobSystem => ({
  name: shape.name,
  about: shape.about,
  backlog: 50_000,
  place: inPostgres(databaseOf(shape)),
  driver: { module: "shapes/driver.ts", name: shape.name }
})
