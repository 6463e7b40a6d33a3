import { assert, describe, it } from "@effect/vitest"
import { busFactor } from "../../../src/apps/insights/BusFactor.ts"
import * as Languages from "../../../src/apps/insights/Languages.ts"

describe("Languages", () => {
  it("go by the whole name of a file first, then by its longest known extension", () => {
    const known: ReadonlyArray<readonly [path: string, language: string | undefined]> = [
      ["src/main.ts", "TypeScript"],
      ["MAIN.TS", "TypeScript"],
      ["a/view.blade.php", "Blade"],
      ["a/view.other.php", "PHP"],
      ["Makefile", "Makefile"],
      ["deep/CMakeLists.txt", "CMake"],
      ["notes.txt", undefined],
      ["README.md", undefined],
      ["data.json", undefined],
      ["LICENSE", undefined],
      [".ts", "TypeScript"],
      ["", undefined],
      ["dir.go/file", undefined]
    ]
    for (const [path, language] of known) assert.strictEqual(Languages.ofPath(path), language, path)
  })

  it("leave out what is vendored or generated", () => {
    for (
      const path of [
        "node_modules/x/index.js",
        "a/vendor/lib.go",
        "dist/main.js",
        "x.min.js",
        "api.pb.go",
        "m.generated.ts"
      ]
    ) {
      assert.isUndefined(Languages.ofPath(path), path)
    }
    assert.strictEqual(Languages.ofPath("vendors/lib.go"), "Go")
  })
})

describe("busFactor", () => {
  it("is the least number of authors with half of the commits, in whatever order they come", () => {
    const cases: ReadonlyArray<readonly [commits: ReadonlyArray<number>, people: number]> = [
      [[], 0],
      [[5], 1],
      [[1, 1], 1],
      [[1, 1, 1], 2],
      [[1, 10, 1], 1],
      [[3, 4, 3], 2],
      [[1, 1, 1, 1, 1, 1], 3]
    ]
    for (const [commits, people] of cases) assert.strictEqual(busFactor(commits), people, commits.join(" "))
  })
})
