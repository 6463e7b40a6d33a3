/** A pool of threads: the event loop is free while files are hashed. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { ThreadPool, ThreadTask } from "ostinato"
import * as Digest from "./digest.ts"
import type { Pattern } from "./pattern.ts"

export const DigestOnThread = ThreadTask.make("patterns.digest", {
  module: new URL("./digest.thread.js", import.meta.url),
  export: "digest",
  payload: { folder: Schema.String, file: Schema.String },
  success: Schema.String
})

export const threads: Pattern = {
  name: "thread pool",
  shownBy: "thread ",
  where: ({ attributes }) => attributes.get("threadId"),
  places: "threads",
  run: ({ files, folder }) =>
    Effect.gen(function*() {
      const pool = yield* ThreadPool.ThreadPool
      const digests = yield* Effect.forEach(files, (file) => pool.run(DigestOnThread, { folder, file }), {
        concurrency: "unbounded"
      })
      return Digest.ofText(Digest.list(files, digests))
    }).pipe(Effect.provide(ThreadPool.layer({ capacity: 2, prewarm: true })))
}
