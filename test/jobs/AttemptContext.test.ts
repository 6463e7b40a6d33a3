/** What surrounds an attempt of a job: interceptors, who asked for it, and where that is read. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Predicate from "effect/Predicate"
import * as References from "effect/References"
import * as Schema from "effect/Schema"
import { Interceptor, RunContext, Task } from "ostinato"
import { JobId } from "ostinato/jobs/Job"
import * as JobQueue from "ostinato/jobs/JobQueue"
import { Broken, job, pass, reaches, store, worker } from "./Working.ts"

const Act = Task.make("act", {
  payload: { how: Schema.Literals(["succeeds", "fails", "takes too long", "is cancelled"]) },
  error: Broken,
  timeout: "5 seconds"
})

describe("what surrounds an attempt of a job", () => {
  it.effect("D.11 interceptors see it succeed, fail, take too long and be interrupted, the inner one first", () =>
    Effect.gen(function*() {
      const seen: Array<string> = []
      const watching = (name: string): Interceptor.Interceptor => (attempt) =>
        Effect.onExit(attempt, (exit) =>
          Effect.sync(() => {
            const [reason] = exit._tag === "Failure" ? exit.cause.reasons : []
            const error = reason?._tag === "Fail" ? reason.error : undefined
            const tag = Predicate.hasProperty(error, "_tag") ? String(error._tag) : reason?._tag
            seen.push(`${name} ${tag ?? "Success"}`)
          }))
      const begun = yield* Latch.make()
      const live = Act.toLayer(({ how }) =>
        how === "succeeds"
          ? Effect.void
          : how === "fails"
          ? new Broken()
          : Effect.andThen(begun.open, Effect.never)
      )
      yield* Effect.gen(function*() {
        const act = (how: typeof Act.payload.Type["how"]) => JobQueue.enqueue(Act, { how })
        yield* reaches((yield* act("succeeds")).id, "completed")
        yield* reaches((yield* act("fails")).id, "discarded")
        const slow = yield* act("takes too long")
        yield* begun.await
        yield* pass(6)
        yield* reaches(slow.id, "discarded")
        yield* begun.close
        const { id } = yield* act("is cancelled")
        yield* begun.await
        yield* JobQueue.cancel([id], { actor: "ada" })
        yield* reaches(id, "cancelled")
      }).pipe(
        Effect.provide(
          worker([Act]).pipe(
            Layer.provide(live),
            Layer.provide(Interceptor.layer(watching("outer"), watching("inner")))
          )
        )
      )
      assert.deepStrictEqual(
        seen,
        ["Success", "Broken", "TaskTimeout", "Interrupt"].flatMap((what) => [`inner ${what}`, `outer ${what}`])
      )
    }).pipe(Effect.provide(store)))

  it.effect("D.11 tenant and actor are on every line that it logs, and on the jobs that it enqueues, which go on its trace", () => {
    const lines: Array<unknown> = []
    const logger = Logger.make(({ fiber, message }) => {
      const { actor, tenant } = fiber.getRef(References.CurrentLogAnnotations)
      lines.push([String(message), tenant, actor])
    })
    const traces: Array<string> = []
    const Parent = Task.make("parent", { success: Schema.String })
    const Child = Task.make("child")
    const live = Parent.toLayer(() =>
      Effect.gen(function*() {
        traces.push((yield* Effect.orDie(Effect.currentSpan)).traceId)
        yield* Effect.logInfo("begins")
        return (yield* Effect.orDie(JobQueue.enqueue(Child, {}, { queue: "children" }))).id
      })
    )
    return Effect.gen(function*() {
      const { id } = yield* JobQueue.enqueue(Parent, {}).pipe(
        RunContext.within({ tenant: "acme", actor: "ada" }),
        Effect.withSpan("request")
      )
      const child = yield* JobQueue.result(Parent, id).pipe(Effect.provide(Layer.provide(worker([Parent]), live)))
      assert.deepInclude(lines, ["begins", "acme", "ada"])
      const { meta } = yield* job(JobId.make(child))
      assert.deepStrictEqual(meta.origin, { tenant: "acme", actor: "ada" })
      assert.deepStrictEqual([meta.traceparent?.split("-")[1]], traces)
    }).pipe(Effect.provide(Layer.provideMerge(store, Logger.layer([logger]))))
  })
})
