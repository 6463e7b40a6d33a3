/**
 * `npm run example -- consumer`: messages come in through a bounded line, a pool works them off, and its handlers run on
 * fibers, then on threads, by another Layer. Exits 1 when the rows differ or no span shows where they ran.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Tracer from "effect/Tracer"
import { Mailbox, type Task, TaskPool } from "ostinato"
import { table } from "../../../scripts/bench/table.ts"
import { Digest, onFibers, onThreads } from "./handlers.ts"

class Different extends Schema.TaggedError<Different>()("Different", {}) {
  override get message() {
    return "the same messages gave other rows, or ran elsewhere, when their handlers were exchanged"
  }
}

const messages = Array.from({ length: 200 }, (_, n) => `message ${n}`)

/** Takes messages as fast as the pool works them off: never more than its line and its slots hold. */
const consumed = Effect.scoped(Effect.gen(function*() {
  const inbox = yield* Mailbox.make<string>({ name: "inbox", capacity: 8 })
  const pool = yield* TaskPool.make({ name: "consumer", capacity: 4, maxWaiting: 4, onFull: "backpressure" })
  yield* Effect.forkChild(
    Effect.andThen(Effect.forEach(messages, inbox.offer, { discard: true }), inbox.close)
  )
  const handles: Array<TaskPool.Handle<string, unknown>> = []
  yield* Effect.flatMap(inbox.take, (text) => pool.submit(TaskPool.call(Digest, { text }))).pipe(
    Effect.tap((handle) => Effect.sync(() => handles.push(handle))),
    Effect.forever,
    Effect.catchTag("MailboxClosed", () => Effect.void)
  )
  return yield* Effect.forEach(handles, (handle) => handle.await)
}))

const ran = Effect.fnUntraced(function*<E>(name: string, handlers: Layer.Layer<Task.Handler<"consumer.digest">, E>) {
  const places = new Set<string>()
  const tracer = Tracer.make({
    span: (options) => {
      const span = new Tracer.NativeSpan(options)
      if (options.name.endsWith(" consumer.digest")) places.add(options.name)
      return span
    }
  })
  const rows = yield* consumed.pipe(Effect.provide(handlers), Effect.withTracer(tracer))
  return { name, rows, places: [...places].join(", ") }
})

const program = Effect.gen(function*() {
  const all = [yield* ran("fibers", onFibers), yield* ran("threads", onThreads)]
  yield* Console.log(table(
    ["handlers", "spans", "rows", "the first row"],
    all.map(({ name, places, rows }) => [name, places, String(rows.length), rows[0] ?? "none"])
  ))
  const [fibers, threads] = all.map(({ places, rows }) => ({ places, rows: rows.join() }))
  if (
    fibers?.rows !== threads?.rows || fibers?.places !== "fiber consumer.digest" ||
    threads?.places !== "thread consumer.digest"
  ) {
    return yield* new Different()
  }
})

NodeRuntime.runMain(program)
