/** One task with two handlers: which one runs is the choice of a Layer, and nobody who asks for the task knows. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { createHash } from "node:crypto"
import { Task, ThreadError, ThreadPool, ThreadTask } from "ostinato"

export const Digest = Task.make("consumer.digest", {
  payload: { text: Schema.String },
  success: Schema.String,
  error: ThreadError.ThreadError
})

export const DigestOnThread = ThreadTask.make("consumer.digest", {
  module: new URL("./digest.thread.js", import.meta.url),
  export: "digest",
  payload: { text: Schema.String },
  success: Schema.String
})

export const onFibers = Digest.toLayer(({ text }) =>
  Effect.sync(() => createHash("sha256").update(text).digest("hex")).pipe(Effect.withSpan("fiber consumer.digest"))
)

export const onThreads = Layer.provide(
  Digest.toLayer(ThreadPool.handler(DigestOnThread)),
  ThreadPool.layer({ capacity: 2 })
)
