import { globSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "vitest"
import { plant, root, run } from "./planted.ts"

type Exports = Record<string, unknown>

const manifest: { readonly name: string; readonly exports: Exports } = JSON.parse(
  readFileSync(join(root, "package.json"), "utf8")
)
const folders = globSync("src/**/internal", { cwd: root, exclude: (path) => path.endsWith("/web") }).sort()
const closedRooms = Object.keys(manifest.exports).flatMap((key) => /^\.\/([a-z/]+)\/internal\/\*$/.exec(key)?.[1] ?? [])

/** What Node answers to each specifier, in a project that has nothing but these exports and modules. */
const answers = (exports: Exports, paths: ReadonlyArray<string>): Record<string, string> => {
  const specifiers = paths.map((path) => path.replace(/^src/, "ostinato").replace(/\.ts$/, ""))
  const folder = plant({
    ...Object.fromEntries(paths.map((path) => [path, "export const here = 1\n"])),
    "package.json": JSON.stringify({ name: "ostinato", type: "module", exports }),
    "ask.mjs": `const answers = {}
for (const specifier of ${JSON.stringify(specifiers)}) {
  answers[specifier] = await import(specifier).then(() => "imported", (error) => error.code)
}
console.log(JSON.stringify(answers))\n`
  })
  return JSON.parse(run(folder, "node", "--conditions=ostinato:source", "ask.mjs").stdout)
}

const refused = "ERR_PACKAGE_PATH_NOT_EXPORTED"

describe("package exports", () => {
  it("have a null of its own for every internal folder", () => {
    const open = folders.filter((folder) => {
      const parts = folder.slice("src/".length).split("/")
      const keys = parts.map((_, n) => `./${parts.slice(0, n + 1).join("/")}/*`)
      return !keys.some((key) => manifest.exports[key] === null)
    })
    assert.deepStrictEqual(open, [])
    assert.isNotEmpty(closedRooms)
  })

  it("refuse internal modules by name, however deep, and give public ones", () => {
    const all = new Set([...closedRooms.map((room) => `src/${room}/internal`), ...folders])
    const closed = [...all].flatMap((folder) => [`${folder}/attempt.ts`, `${folder}/sql/claim.ts`])
    const open = [...closedRooms].map((room) => `src/${room}/Module.ts`)
    const found = answers(manifest.exports, [...closed, ...open])
    const outcomes = Object.entries(found).map(([name, answer]) => [name.includes("/internal/"), answer])
    assert.deepStrictEqual(outcomes.filter(([internal]) => internal === true).length, closed.length)
    for (const [name, answer] of Object.entries(found)) {
      assert.strictEqual(answer, name.includes("/internal/") ? refused : "imported", name)
    }
  })

  it("refuse applications, the command line, pages and barrels by path", () => {
    const paths = [
      "src/apps/insights/App.ts",
      "src/cli/main.ts",
      "src/web/page.ts",
      "src/core/index.ts",
      "src/index.ts"
    ]
    assert.deepStrictEqual([...new Set(Object.values(answers(manifest.exports, paths)))], [refused])
  })

  it("would leave internal modules open with \"./*/internal/*\" alone", () => {
    const { "./core/internal/*": _, ...rest } = manifest.exports
    const found = answers({ ...rest, "./*/internal/*": null }, ["src/core/internal/attempt.ts"])
    assert.deepStrictEqual(found, { "ostinato/core/internal/attempt": "imported" })
  })

  it("name a barrel for each public room, and no room that is not there", () => {
    const barrels = globSync("src/*/index.ts", { cwd: root }).map((path) => `./${path.split("/")[1]}`)
    const rooms = barrels.filter((room) => !["./core", "./apps", "./cli", "./dashboard"].includes(room))
    const unnamed = rooms.filter((room) => manifest.exports[room] === undefined)
    assert.deepStrictEqual(unnamed, [])
  })
})
