/** Ids as the database gives them: well formed for certain, so that a hundred thousand a second need no look. */
import type { JobId } from "../../Job.ts"

// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a bigint above zero of the database is one
export const idOf = (id: bigint): JobId => String(id) as JobId
