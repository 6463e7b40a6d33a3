import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as core from "ostinato"
import * as schedule from "ostinato/schedule"
import * as service from "ostinato/service"
import * as store from "ostinato/store"

interface Found {
  readonly tag: string
  readonly schema: Schema.Codec<Error, unknown>
}

const isErrorSchema = (value: unknown): value is Found["schema"] =>
  Schema.isSchema(value) && typeof value === "function" && value.prototype instanceof Error

/** Every error that a module of a room exports, under its tag. */
const errors = new Map(
  [core, store, schedule, service].flatMap((room) =>
    Object.values<object>(room).flatMap((module) =>
      Object.entries(module).flatMap(([tag, value]) =>
        isErrorSchema(value) ? [[tag, { tag, schema: value }] as const] : []
      )
    )
  )
)

describe("S3.40 every public error", () => {
  it("is found by this test", () => {
    for (
      const tag of ["TaskTimeout", "RunLogUnavailable", "MigrationFailed", "ScheduleStoreUnavailable", "RunNotFound"]
    ) {
      assert.isTrue(errors.has(tag), tag)
    }
  })

  for (const { schema, tag } of errors.values()) {
    it.effect(`${tag} crosses a boundary as JSON and comes back with its tag, its fields and its message`, () =>
      Effect.gen(function*() {
        const codec = Schema.fromJsonString(Schema.toCodecJson(schema))
        for (const error of yield* Arbitrary.sampleEffect(Arbitrary.schema(schema), { count: 20, seed: 7 })) {
          const back = yield* Effect.flatMap(Schema.encodeEffect(codec)(error), Schema.decodeEffect(codec))
          assert.deepStrictEqual(back, error)
          assert.strictEqual(back.message, error.message)
        }
      }))
  }
})
