import { assert, describe, it } from "@effect/vitest"
import * as Redacted from "effect/Redacted"
import * as Target from "../../../src/store/internal/Target.ts"

const read = (url: string) => Target.read(Redacted.make(url))

describe("Target", () => {
  it("names host, port and database only", () => {
    assert.strictEqual(read("postgres://ann:s3cret@db.example:6000/app?sslmode=require").name, "db.example:6000/app")
    assert.strictEqual(read("postgresql://db.example").name, "db.example:5432")
    assert.strictEqual(read("postgres://ann:s3cret@%2Frun%2Fpg:5433/app").name, "/run/pg:5433/app")
    assert.strictEqual(read("postgres://ann@db.example/app?host=/run/pg&password=s3cret").name, "/run/pg:5432/app")
  })

  it("accepts an at sign in the password", () => {
    const target = read("postgres://ann:s3@cret@db.example/app")
    assert.isUndefined(target.problem)
    assert.strictEqual(target.name, "db.example:5432/app")
  })

  it("shows nothing of a URL whose password may have strayed", () => {
    for (
      const url of [
        "postgres://ann:s3/cret@db.example/app",
        "postgres://ann:12/cret@db.example/app",
        "postgres://ann:12?cret@db.example/app",
        "postgres://ann:12#cret@db.example/app",
        "postgres://ann:s3@a/cret@db.example/app",
        "mysql://ann:s3cret@db.example/app",
        "s3cret",
        ""
      ]
    ) {
      const target = read(url)
      assert.isDefined(target.problem, url)
      assert.strictEqual(target.name, "the given URL")
      assert.notInclude(target.problem ?? "", "cret")
    }
  })

  it("hides every form of the password in a text", () => {
    const target = read("postgres://ann:s3%2Fcret@db.example/app")
    assert.strictEqual(target.hide("tried s3/cret and s3%2Fcret"), "tried *** and ***")
  })

  it("survives a broken percent sign", () => {
    assert.strictEqual(read("postgres://ann:100%@db.example/a%zz").name, "db.example:5432/a%zz")
  })
})
