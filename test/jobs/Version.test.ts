import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { Task } from "ostinato"
import { JobQueue, JobWorker, PayloadVersion } from "ostinato/jobs"
import { job, pass, reaches, settle, store } from "./Working.ts"

const One = Schema.Struct({ platform: Schema.String })
const Two = Schema.Struct({ platforms: Schema.Array(Schema.String) })
const oneIn = Schema.decodeUnknownSync(One)
const twoIn = Schema.decodeUnknownSync(Two)

const Old = Task.make("sync", { payload: One.fields })
const Plain = Task.make("sync", {
  payload: { platforms: Schema.Array(Schema.String), since: Schema.NullOr(Schema.DateTimeUtc) }
})
const Sync = PayloadVersion.of(Plain, {
  version: 3,
  from: {
    1: (json) => ({ platforms: [oneIn(json).platform] }),
    2: (json) => ({ ...twoIn(json), since: null })
  }
})

const refused = (version: number, json: Schema.Json) =>
  Result.getOrThrow(Result.flip(PayloadVersion.upcast(Sync, version, json))).message

describe("PayloadVersion", () => {
  it.effect.prop("a payload of any older version is read as one of the newest", {
    one: One,
    two: Two,
    three: Plain.payload
  }, ({ one, three, two }) =>
    Effect.gen(function*() {
      const json = (schema: Task.Storable, value: unknown) =>
        Schema.encodeUnknownEffect(Schema.toCodecJson(schema))(value)
      const first = yield* PayloadVersion.decode(Sync, 1, yield* json(One, one))
      assert.deepStrictEqual(first, { platforms: [one.platform], since: null })
      const second = yield* PayloadVersion.decode(Sync, 2, yield* json(Two, two))
      assert.deepStrictEqual(second, { platforms: two.platforms, since: null })
      assert.deepStrictEqual(yield* PayloadVersion.decode(Sync, 3, yield* json(Plain.payload, three)), three)
    }), { arbitrary: { runs: 100 } })

  it("says what is missing where there is no way up", () => {
    assert.include(refused(4, {}), "it has version 4, and this process knows 3 as the newest: deploy it anew")
    assert.include(refused(0, {}), "it has version 0, and nothing makes version 1 of version 0")
    assert.include(refused(1, { platform: 7 }), "version 2 could not be made of version 1")
    assert.strictEqual(PayloadVersion.versionOf(Plain), 1)
    assert.strictEqual(PayloadVersion.versionOf(Sync), 3)
  })

  it.effect("a job keeps the version that it was enqueued with, and a newer worker reads it", () => {
    const seen: Array<typeof Plain.payload.Type> = []
    return Effect.gen(function*() {
      const old = yield* JobQueue.enqueue(Old, { platform: "github" })
      const now = yield* JobQueue.enqueue(Sync, { platforms: ["gitlab"], since: null })
      assert.deepStrictEqual([(yield* job(old.id)).meta.version, (yield* job(now.id)).meta.version], [undefined, 3])
      yield* reaches(old.id, "completed")
      yield* reaches(now.id, "completed")
      assert.deepStrictEqual(seen, [{ platforms: ["github"], since: null }, { platforms: ["gitlab"], since: null }])
    }).pipe(
      Effect.provide(
        JobWorker.layer({ queues: { default: {} }, tasks: [Sync] }).pipe(
          Layer.provide(Plain.toLayer((payload) => Effect.sync(() => void seen.push(payload)))),
          Layer.provideMerge(store)
        )
      )
    )
  })

  it.effect("a payload that is newer than the code waits unspent, and runs after a deploy", () =>
    Effect.gen(function*() {
      const { id } = yield* JobQueue.enqueue(Sync, { platforms: ["a"], since: null })
      const working = (task: typeof Plain) =>
        Layer.build(
          JobWorker.layer({ queues: { default: {} }, tasks: [task] }).pipe(
            Layer.provide(Plain.toLayer(() => Effect.void))
          )
        )
      yield* Effect.scoped(Effect.gen(function*() {
        yield* working(Plain)
        yield* settle
        const waiting = yield* reaches(id, "scheduled")
        assert.strictEqual(waiting.attempt, 0)
        assert.include(waiting.reason, "deploy it anew")
      }))
      yield* working(Sync)
      yield* pass(60)
      assert.deepInclude(yield* reaches(id, "completed"), { attempt: 1 })
    }).pipe(Effect.scoped, Effect.provide(store)))
})
