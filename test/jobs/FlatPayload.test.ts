import { assert, describe, it } from "@effect/vitest"
import * as Schema from "effect/Schema"
import * as flatPayload from "../../src/jobs/internal/payload/flatPayload.ts"

const readerOf = (schema: Schema.Top) => flatPayload.reader(Schema.toCodecJson(schema).ast)

const Flat = Schema.Struct({ n: Schema.Finite, i: Schema.Int, s: Schema.NonEmptyString, b: Schema.Boolean })

describe("flat payloads", () => {
  it("are read as the Schema reads them, and copied", () => {
    const json = { n: 0.5, i: 1, s: "x", b: false }
    const read = readerOf(Flat)!(json)
    assert.deepStrictEqual<unknown>(read, Schema.decodeSync(Schema.toCodecJson(Flat))(json))
    assert.notStrictEqual<unknown>(read, json)
  })

  it("are left to the Schema where a field is missing, too many, of another kind or refused by a check", () => {
    const read = readerOf(Flat)!
    for (
      const json of [
        {},
        null,
        [1, 1, "x", true],
        { n: 1, i: 1, s: "x" },
        { n: 1, i: 1, s: "x", b: true, more: 1 },
        { n: 1, i: 1, s: "x", more: true },
        { n: "1", i: 1, s: "x", b: true },
        { n: null, i: 1, s: "x", b: true },
        { n: 1, i: 1.5, s: "x", b: true },
        { n: 1, i: 1, s: "", b: true }
      ]
    ) assert.isUndefined(read(json), JSON.stringify(json))
  })

  it("are left to the Schema where a field is inherited, and read each field once", () => {
    const read = readerOf(Flat)!
    assert.isUndefined(read(Object.create({ n: 1, i: 1, s: "x", b: true })))
    let asked = 0
    const payload = {
      n: 1,
      i: 1,
      b: true,
      get s() {
        asked += 1
        return asked === 1 ? "x" : ""
      }
    }
    assert.deepStrictEqual<unknown>(read(payload), { n: 1, i: 1, b: true, s: "x" })
    assert.strictEqual(asked, 1)
  })

  it("are none where anything is changed, filled in, nested or checked as a whole", () => {
    const { Boolean, DateTimeUtc, Number, NumberFromString, String, Struct } = Schema
    class Made extends Schema.Class<Made>("Made")({ s: String }) {}
    for (
      const schema of [
        Made,
        Struct({}),
        Struct({ at: DateTimeUtc }),
        Struct({ n: Number }),
        Struct({ n: NumberFromString }),
        Struct({ s: Schema.optional(String) }),
        Struct({ s: Schema.optionalKey(String) }),
        Struct({ s: Schema.NullOr(String) }),
        Struct({ s: Struct({ b: Boolean }) }),
        Struct({ s: String }).check(Schema.makeFilter(({ s }) => s !== "x")),
        Struct({ s: String }).pipe(Schema.encodeKeys({ s: "t" })),
        Schema.Record(String, String),
        Schema.Array(String)
      ]
    ) assert.isUndefined(readerOf(schema), globalThis.String(schema.ast))
  })
})
