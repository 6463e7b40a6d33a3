import { existsSync, globSync, readFileSync } from "node:fs"
import { basename, dirname, join } from "node:path"
import { assert, describe, it } from "vitest"
import { root } from "./planted.ts"

const modules = globSync("src/**/*.{ts,tsx}", { cwd: root, exclude: (path) => path.endsWith("/web") }).sort()
const isModule = (name: string) => /^[A-Z]/.test(name)
const nameOf = (path: string) => basename(path).replace(/\.\w+$/, "")

const publicOf = (packageFolder: string): ReadonlySet<string> => {
  const exports: Record<string, string | null> =
    JSON.parse(readFileSync(join(packageFolder, "package.json"), "utf8")).exports
  const closed = Object.keys(exports).filter((key) => exports[key] === null).map((key) => key.slice(2).replace("*", ""))
  const paths = globSync("**/*.js", { cwd: join(packageFolder, "dist") })
  return new Set(paths.filter((path) => !closed.some((prefix) => path.startsWith(prefix))).map(nameOf).filter(isModule))
}

/** The paths that take a name that the library's users already import. */
const shadowing = (paths: ReadonlyArray<string>, taken: ReadonlySet<string>) =>
  paths.filter((path) => isModule(nameOf(path)) && taken.has(nameOf(path)))

const drawers = /^(utils?|helpers?|common|misc|types|managers?|shared|lib|interfaces|constants|stuff)$/i

/** The paths whose name says nothing about what is inside. */
const nameless = (paths: ReadonlyArray<string>) =>
  paths.filter((path) => path.split("/").some((part) => drawers.test(part.replace(/\.\w+$/, ""))))

const codeLines = (text: string) =>
  text.replace(/\/\*[\s\S]*?\*\//g, "").split("\n").filter((line) => !/^\s*(\/\/.*)?$/.test(line)).length

describe("names", () => {
  const effect = publicOf(join(root, "node_modules", "effect"))

  it("of effect's public modules are read from its package", () => {
    assert.isAbove(effect.size, 300)
    for (const name of ["Queue", "Pool", "Cron", "Workflow", "HttpApi", "SqlClient"]) assert.include([...effect], name)
    assert.notInclude([...effect], "index")
  })

  it("a planted module that shadows one of effect's is found, one of ours is not", () => {
    const planted = ["src/core/Queue.ts", "src/core/index.ts", "src/core/TaskPool.ts", "src/schedule/Cron.ts"]
    assert.deepStrictEqual(shadowing(planted, effect), ["src/core/Queue.ts", "src/schedule/Cron.ts"])
  })

  it("no module of src shadows a module of effect", () => {
    assert.deepStrictEqual(shadowing(modules, effect), [])
  })

  it("a planted drawer is found, in any room and as a folder", () => {
    const planted = ["src/core/utils.ts", "src/core/Task.ts", "src/lib/Task.ts", "test/helpers/bundle.ts"]
    assert.deepStrictEqual(nameless(planted), ["src/core/utils.ts", "src/lib/Task.ts", "test/helpers/bundle.ts"])
  })

  it("no file or folder is a drawer", () => {
    const files = globSync(["src/**/*", "test/**/*", "scripts/**/*"], {
      cwd: root,
      exclude: (path) => path.endsWith("node_modules") || path.endsWith("fixtures")
    })
    assert.deepStrictEqual(nameless(files), [])
  })
})

describe("files", () => {
  it("have at most 400 code lines", () => {
    assert.strictEqual(codeLines("/** doc\n * doc\n */\nconst a = 1\n\n  // reason\nconst b = 2 // why\n"), 2)
    const sources = globSync(["src/**/*.{ts,tsx,js}", "test/**/*.ts", "scripts/**/*.{ts,js}"], {
      cwd: root,
      exclude: (path) => path.endsWith("node_modules")
    })
    assert.deepStrictEqual(sources.filter((path) => codeLines(readFileSync(join(root, path), "utf8")) > 400), [])
  })

  it("hold no mark of a merge that nobody resolved", () => {
    const marked = (text: string) => /^(<{7}|>{7}) /m.test(text)
    assert.isTrue(marked(`one\n${"<".repeat(7)} HEAD\ntwo\n`))
    const files = globSync(["*.*", "src/**/*.*", "test/**/*.*", "scripts/**/*.*"], {
      cwd: root,
      exclude: (path) => path.endsWith("node_modules")
    })
    assert.isAbove(files.length, 300)
    assert.deepStrictEqual(files.filter((path) => marked(readFileSync(join(root, path), "utf8"))), [])
  })

  it("every room has a README", () => {
    const entry = join("src", "cli", "bin.ts")
    const rooms = new Set(
      modules.filter((path) => path !== entry).map(dirname).flatMap((path) => /^src\/[^/]+/.exec(path) ?? [])
    )
    assert.deepStrictEqual([...rooms].filter((room) => !existsSync(join(root, room, "README.md"))), [])
  })
})

describe("exceptions to the lint rules", () => {
  const allowed: Record<string, Record<string, string>> = JSON.parse(
    readFileSync(join(root, "scripts", "lint", "allowed.json"), "utf8")
  )
  const exceptions = Object.entries(allowed).flatMap(([rule, files]) =>
    Object.entries(files).map(([file, reason]) => ({ rule, file, reason }))
  )

  it("stand for a file that exists, with a reason", () => {
    for (const { file, reason, rule } of exceptions) {
      assert.isAbove(reason.length, 20, `${rule}: ${file} has no reason`)
      const room = existsSync(join(root, dirname(file)))
      assert.isTrue(!room || existsSync(join(root, file)), `${rule}: ${file} does not exist`)
    }
  })
})
