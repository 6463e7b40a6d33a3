import { readFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "vitest"
import { missing } from "../../scripts/lock.ts"
import { root } from "./planted.ts"

describe.each(["package-lock.json", "scripts/bench/package-lock.json"])("%s", (file) => {
  const { packages } = JSON.parse(readFileSync(join(root, file), "utf8"))

  it("has an entry for every platform's package, without which npm ci refuses it", () => {
    assert.deepStrictEqual(missing(packages), {})
    assert.isAbove(Object.keys(packages).length, 50)
  })

  it("names no registry", () => {
    const resolved = Object.values<{ readonly resolved?: string }>(packages).flatMap(({ resolved }) => resolved ?? [])
    assert.deepStrictEqual(resolved, [])
  })
})

describe("a lock", () => {
  it("is completed by the platform that a planted package's name states", () => {
    const planted = {
      "node_modules/tool": {
        dev: true,
        optionalDependencies: { "@tool/linux-x64-musl": "1.2.3", "@tool/here": "1.0.0" }
      },
      "node_modules/tool/node_modules/@tool/here": { version: "1.0.0" }
    }
    const entry = { version: "1.2.3", cpu: ["x64"], os: ["linux"], libc: ["musl"], dev: true, optional: true }
    assert.deepStrictEqual(missing(planted), { "node_modules/@tool/linux-x64-musl": entry })
  })
})
