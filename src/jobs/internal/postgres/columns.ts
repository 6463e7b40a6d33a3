/**
 * Array parameters with their element type named, so that an empty or all-null array binds as well, and in binary.
 */
import * as PgTypes from "@effect/sql-pg/PgTypes"
import * as Result from "effect/Result"

// the types are built in, so there is none that is not known
const column = (oid: number) => (values: ReadonlyArray<unknown>): PgTypes.Parameter =>
  Result.getOrThrow(PgTypes.array(values, oid))

export const int2 = column(PgTypes.OID.int2)
export const int4 = column(PgTypes.OID.int4)
export const int8 = column(PgTypes.OID.int8)
export const bool = column(PgTypes.OID.bool)
export const float4 = column(PgTypes.OID.float4)
export const text = column(PgTypes.OID.text)
export const bytea = column(PgTypes.OID.bytea)
export const timestamptz = column(PgTypes.OID.timestamptz)

/** Null where every value is: the default for all. */
export const sparse = (
  column: (values: ReadonlyArray<unknown>) => PgTypes.Parameter,
  values: ReadonlyArray<unknown>
): PgTypes.Parameter | null => values.every((value) => value === null) ? null : column(values)
