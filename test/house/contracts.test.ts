import { globSync, readFileSync } from "node:fs"
import { basename, join } from "node:path"
import { assert, describe, it } from "vitest"
import { root } from "./planted.ts"

type Files = Readonly<Record<string, string>>

/** Services with several drivers: a module whose header says what a driver promises, and whose class it names. */
const contracts = (files: Files) =>
  Object.entries(files).flatMap(([path, text]) => {
    const name = basename(path, ".ts")
    return path.startsWith("src/") && text.includes("A driver promises") &&
        text.includes(`export class ${name} extends Context.Service`)
      ? [name]
      : []
  })

/** What is not proven: a contract without a suite, a driver to which its suite is not applied. */
const unproven = (files: Files): ReadonlyArray<string> =>
  contracts(files).flatMap((name) => {
    const suite = `${name.charAt(0).toLowerCase()}${name.slice(1)}Suite`
    if (files[`src/testing/contract/${name}Suite.ts`] === undefined) return [`${name} has no suite`]
    const tests = Object.entries(files).filter(([path, text]) =>
      path.startsWith("test/contract/") && text.includes(`${suite}(`)
    )
    const drivers = Object.keys(files).filter((path) =>
      path.startsWith("src/") && !path.startsWith("src/testing/") && files[path]?.includes(`${name}.of(`) === true
    )
    return drivers.flatMap((path) => {
      const module = path.replace(/^src/, "ostinato").replace(/\.ts$/, "")
      return tests.some(([, text]) => text.includes(`"${module}"`)) ? [] : [`${path} is not in the suite of ${name}`]
    })
  })

const read = (pattern: string): Files =>
  Object.fromEntries(globSync(pattern, { cwd: root }).map((path) => [path, readFileSync(join(root, path), "utf8")]))

describe("contracts and their drivers", () => {
  it("S0.54 every service with several drivers has one suite, and every driver passes it", () => {
    const files = { ...read("src/**/*.ts"), ...read("test/contract/*.ts") }
    assert.includeMembers(contracts(files), ["RunLog", "ScheduleStore", "CheckpointStore"])
    assert.deepStrictEqual(unproven(files), [])
  })

  it("S0.54 a planted contract without a suite is found, and a driver outside of one", () => {
    const contract = "/** A driver promises much. */\nexport class Shelf extends Context.Service<Shelf>()"
    const files = { "src/core/Shelf.ts": contract, "src/core/MemoryShelf.ts": "Shelf.of({})" }
    assert.deepStrictEqual(unproven(files), ["Shelf has no suite"])
    const withSuite = {
      ...files,
      "src/testing/contract/ShelfSuite.ts": "",
      "test/contract/memory.test.ts": "shelfSuite("
    }
    assert.deepStrictEqual(unproven(withSuite), ["src/core/MemoryShelf.ts is not in the suite of Shelf"])
    const proven = { ...withSuite, "test/contract/memory.test.ts": `import "ostinato/core/MemoryShelf"\nshelfSuite(` }
    assert.deepStrictEqual(unproven(proven), [])
  })
})
