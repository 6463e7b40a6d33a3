/** The work of `chunker.ts`: notes every item in a table, and tells when a chunk has been handled but not yet saved. */
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"
import type { Checkpoint } from "../../../src/core/CheckpointStore.ts"
import * as Chunking from "../../../src/core/Chunking.ts"

export const items = Array.from({ length: 100 }, (_, item) => item)

export const handle = (checkpoint: Checkpoint, handled: (first: number) => Effect.Effect<unknown>) =>
  Effect.flatMap(
    SqlClient.SqlClient,
    (sql) =>
      Chunking.forEachChunk(items, { size: 10, checkpoint }, (chunk, first) =>
        Effect.andThen(
          sql`INSERT INTO handled ${sql.insert(Arr.map(chunk, (item) => ({ item })))}`,
          handled(first)
        ))
  )
