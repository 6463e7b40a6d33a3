import { assert, describe, it } from "@effect/vitest"
import * as Option from "effect/Option"
import { ConnectionError, SqlError, UniqueViolation, UnknownError } from "effect/sql/SqlError"
import * as SqlFault from "../../src/store/SqlFault.ts"

const withState = (code: string) =>
  new SqlError({ reason: new UnknownError({ cause: Object.assign(new Error("refused"), { code }), message: code }) })

const expectations: ReadonlyArray<readonly [string, SqlFault.SqlFault]> = [
  ["08006", "connection"],
  ["08P01", "permanent"],
  ["22P02", "permanent"],
  ["23505", "constraint"],
  ["23503", "constraint"],
  ["25006", "restart"],
  ["25P02", "permanent"],
  ["25P03", "connection"],
  ["28P01", "permanent"],
  ["3D000", "permanent"],
  ["40001", "transient"],
  ["40P01", "transient"],
  ["40002", "constraint"],
  ["40003", "connection"],
  ["42P01", "permanent"],
  ["42501", "permanent"],
  ["53100", "transient"],
  ["53200", "transient"],
  ["53300", "transient"],
  ["55P03", "transient"],
  ["57014", "transient"],
  ["57P01", "restart"],
  ["57P02", "restart"],
  ["57P03", "restart"],
  ["57P04", "permanent"],
  ["57P05", "connection"],
  ["58030", "transient"],
  ["XX000", "permanent"]
]

describe("SqlFault", () => {
  describe("classify", () => {
    for (const [state, fault] of expectations) {
      it(`reads ${state} as ${fault}`, () => {
        assert.strictEqual(SqlFault.classify(withState(state)), fault)
      })
    }

    it("reads a broken socket as connection although EPIPE looks like a state", () => {
      const cause = Object.assign(new Error("write EPIPE"), { code: "EPIPE" })
      const error = new SqlError({ reason: new ConnectionError({ cause, message: "gone" }) })
      assert.strictEqual(SqlFault.classify(error), "connection")
      assert.isTrue(Option.isNone(SqlFault.sqlState(error)))
    })

    it("reads an error without a state or a link as permanent", () => {
      const error = new SqlError({ reason: new UnknownError({ cause: "odd", message: "odd" }) })
      assert.strictEqual(SqlFault.classify(error), "permanent")
    })

    it("trusts the state over the client's kind", () => {
      const cause = Object.assign(new Error("duplicate"), { code: "23505" })
      const error = new SqlError({
        reason: new UniqueViolation({ cause, message: "duplicate", constraint: "job_pkey" })
      })
      assert.strictEqual(SqlFault.classify(error), "constraint")
      assert.isFalse(SqlFault.mayPass(error))
    })
  })

  describe("mayPass", () => {
    it("is true for an outage that the client calls final", () => {
      const error = withState("57P01")
      assert.isFalse(error.isRetryable)
      assert.isTrue(SqlFault.mayPass(error))
    })

    it("is false for a mistake in the statement", () => {
      assert.isFalse(SqlFault.mayPass(withState("42601")))
    })
  })
})
