import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { TaskError } from "ostinato"

class Declined extends Schema.TaggedError<Declined>()("Declined", {
  code: Schema.Int,
  card: Schema.Redacted(Schema.String)
}) {}

const told = (error: unknown) => TaskError.fromCause(Cause.fail(error)).message

describe("TaskError.fromCause", () => {
  it("an error without a message is told by its fields, and what is redacted among them stays so", () => {
    assert.strictEqual(told(new Declined({ code: 7, card: Redacted.make("4111") })), `{"code":7,"card":"<redacted>"}`)
    assert.strictEqual(told({ _tag: "Lost", why: "x".repeat(600) }).length, 501)
  })

  it("an error with a message is told by that, and one with nothing by its tag", () => {
    assert.strictEqual(told(new Error("gone")), "gone")
    assert.strictEqual(told({ _tag: "Lost", message: "at sea", code: 1 }), "at sea")
    assert.strictEqual(told({ _tag: "Lost" }), "Lost")
    assert.strictEqual(told("plain"), "plain")
    const knot: Record<string, unknown> = { _tag: "Knot" }
    knot["self"] = knot
    assert.strictEqual(told(knot), "Knot")
  })
})
