import { chmodSync, existsSync, globSync, readFileSync, statSync, utimesSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, beforeAll, describe, it } from "vitest"
import { sourceUrls } from "../../scripts/build.ts"
import { developmentNode, published } from "../../scripts/package.ts"
import * as web from "../../scripts/web.ts"
import { plant, root, run } from "./planted.ts"

const copies = ["package.json", "tsconfig.json", "scripts", "src/cli/bin.ts", "LICENSE"]
const page = "src/apps/insights/web"
const pageConfig = `import { defineConfig } from "vite"\n` +
  `export default defineConfig({ base: "./", build: { sourcemap: true, outDir: "elsewhere" } })\n`

const sources = {
  "README.md": "# Planted\n",
  "src/index.ts": `export * as Task from "./core/Task.ts"\n`,
  "src/core/README.md": "# core\n",
  "src/core/Task.ts":
    `import { answer } from "./internal/answer.ts"\n\n/** Gives it. */\nexport const give = () => answer\n`,
  "src/core/internal/answer.ts": `export const answer = 42\n`,
  "src/core/internal/sql/claim.sql": `select 1\n`,
  "src/cli/main.ts": `import * as Task from "ostinato/core/Task"\n\n` +
    `process.stdout.write(\`\${Task.give()} \${process.argv.slice(2).join(" ")}\\n\`)\n`,
  [`${page}/index.html`]: `<!doctype html><script type="module" src="./main.ts"></script>\n`,
  [`${page}/main.ts`]: `document.title = "planted"\n`,
  [`${page}/vite.config.ts`]: pageConfig,
  "test/core/Task.test.ts": `export const test = 1\n`
}

let folder = ""
let before = ""
let built: ReturnType<typeof run>

beforeAll(() => {
  folder = plant(sources, copies)
  before = readFileSync(join(folder, "package.json"), "utf8")
  built = run(folder, "node", "scripts/build.ts")
})

describe("build", () => {
  it("leaves JavaScript, declarations, maps, copied files and pages in dist, and no test", () => {
    assert.strictEqual(built.status, 0, built.stdout + built.stderr)
    const files = globSync("**/*.*", { cwd: join(folder, "dist") }).filter((file) => !file.startsWith("web"))
    const module = (name: string) => [`${name}.d.ts`, `${name}.d.ts.map`, `${name}.js`, `${name}.js.map`]
    const modules = ["cli/bin", "cli/main", "core/Task", "core/internal/answer", "index"].flatMap(module)
    assert.deepStrictEqual(files.sort(), [...modules, "core/internal/sql/claim.sql"].sort())
    assert.isTrue(existsSync(join(folder, "dist/web/insights/index.html")))
    assert.strictEqual(statSync(join(folder, "dist/cli/bin.js")).mode & 0o111, 0o111)
    assert.include(readFileSync(join(folder, "dist/core/Task.js"), "utf8"), `from "./internal/answer.js"`)
  })

  it("gives a command that runs without the source", () => {
    assert.strictEqual(run(folder, "node", "dist/cli/bin.js", "run", "a b").stdout, "42 run a b\n")
  })

  it("builds a page again only when it is absent or older than its sources", () => {
    const [insights] = web.pages(folder)
    assert.isDefined(insights)
    assert.isFalse(insights === undefined || web.isStale(folder, insights))
    const later = new Date(Date.now() + 60_000)
    utimesSync(join(folder, page, "main.ts"), later, later)
    assert.isTrue(insights !== undefined && web.isStale(folder, insights))
  })

  it("fails on a worker's path that works from source only", () => {
    const broken = plant({
      ...sources,
      "src/core/Worker.ts": `export const url = new URL("./worker.ts", import.meta.url)\n`
    }, copies)
    const { status, stderr } = run(broken, "node", "scripts/build.ts")
    assert.strictEqual(status, 1)
    assert.include(stderr, "dist/core/Worker.js: export const url = new URL(\"./worker.ts\", import.meta.url)")
  })

  it("takes a path in a comment, or one to a built file, for no mistake", () => {
    const code = `/** new URL("./a.ts", x) */\n// new URL("./a.ts", x)\nnew URL("./a.js", x)\nnew URL("./a.sql", x)\n`
    assert.deepStrictEqual(sourceUrls(code), [])
  })
})

describe("package", () => {
  it("is published without the development's Node, and with every other optional dependency", () => {
    const mine: Record<string, unknown> = JSON.parse(before).optionalDependencies
    const theirs: Record<string, unknown> = JSON.parse(published(before)).optionalDependencies
    const gone = Object.keys(mine).filter((name) => !(name in theirs))
    assert.deepStrictEqual(gone.sort(), developmentNode)
    assert.deepStrictEqual({ ...JSON.parse(published(before)), optionalDependencies: mine }, JSON.parse(before))
  })

  it("packs dist and src, no test, no script, no page's map, and gives package.json back unchanged", () => {
    const packed = run(folder, "npm", "pack", "--json")
    assert.strictEqual(packed.status, 0, packed.stderr)
    assert.strictEqual(run(folder, "tar", "-xzf", JSON.parse(packed.stdout)[0].filename).status, 0)
    const manifest = readFileSync(join(folder, "package/package.json"), "utf8")
    assert.strictEqual(manifest, published(before))
    assert.strictEqual(readFileSync(join(folder, "package.json"), "utf8"), before)

    const files = globSync("**/*", { cwd: join(folder, "package") })
    assert.isTrue(globSync("dist/web/**/*.map", { cwd: folder }).length > 0, "the page has a map that must stay away")
    assert.deepStrictEqual(
      files.filter((file) => /^(test|scripts|src\/apps\/.*\/web)\/|^dist\/web\/.*\.map$/.test(file)),
      []
    )
    for (const file of ["README.md", "LICENSE", "dist/index.js", "dist/core/internal/sql/claim.sql", "src/index.ts"]) {
      assert.include(files, file)
    }
    assert.isTrue(files.some((file) => file.startsWith("dist/web/insights/assets/")))
  })

  it("is put right by the next pack when one was interrupted", () => {
    assert.strictEqual(run(folder, "node", "scripts/package.ts", "prepack").status, 0)
    assert.notStrictEqual(readFileSync(join(folder, "package.json"), "utf8"), before)
    assert.strictEqual(run(folder, "npm", "pack", "--json").status, 0)
    assert.strictEqual(readFileSync(join(folder, "package.json"), "utf8"), before)
  })

  it("is never published from its folder, which would give the registry the wrong manifest", () => {
    assert.strictEqual(run(folder, "node", "scripts/package.ts", "prepublishOnly").status, 1)
    assert.strictEqual(JSON.parse(before).scripts.prepublishOnly, "node scripts/package.ts prepublishOnly")
  })

  it("is not packed before it is built", () => {
    const empty = plant({}, ["package.json", "scripts"])
    const { status, stderr } = run(empty, "node", "scripts/package.ts", "prepack")
    assert.strictEqual(status, 1)
    assert.include(stderr, "npm run build")
  })
})

describe("ostinato command on an old Node", () => {
  const old = `Object.defineProperty(process, "version", { value: "v20.20.2" })\nimport("./dist/cli/bin.js")\n`
  const project = (node?: string) => {
    const command = join(folder, "dist/cli/bin.js")
    const fake = node === undefined ? {} : { "app/node_modules/.bin/node": node }
    const bin = "app/node_modules/ostinato/dist/cli/bin.js"
    const files = {
      [bin]: readFileSync(command, "utf8"),
      "app/node_modules/ostinato/package.json": `{"type":"module"}`
    }
    const app = join(plant({ ...files, ...fake, "app/node_modules/ostinato/old.mjs": old }), "app/node_modules")
    if (node !== undefined) chmodSync(join(app, ".bin/node"), 0o755)
    return join(app, "ostinato")
  }

  it("says in one sentence what it needs and exits 78", () => {
    const { status, stderr } = run(project(), "node", "old.mjs")
    assert.strictEqual(status, 78)
    assert.strictEqual(stderr, "ostinato needs Node 22.19 or newer, and this is v20.20.2: install a newer Node\n")
  })

  it("runs again on the project's newer Node, with its arguments, output and exit code", () => {
    const newer = `#!/bin/sh\nif [ "$1" = --version ]; then echo v24.21.0; else shift; echo "newer: $*"; exit 7; fi\n`
    const { status, stdout } = run(project(newer), "node", "old.mjs", "serve", "--app", "x")
    assert.deepStrictEqual([stdout, status], ["newer: serve --app x\n", 7])
  })

  it("does not take a project's Node that is as old", () => {
    const { status } = run(project("#!/bin/sh\necho v18.0.0\n"), "node", "old.mjs", "serve")
    assert.strictEqual(status, 78)
  })

  it("hands a signal on to the newer Node", () => {
    const newer = `#!/bin/sh\nif [ "$1" = --version ]; then echo v24.21.0; exit; fi\n` +
      `trap 'echo drained; exit 5' TERM\nkill -TERM $PPID\nn=0; while [ $n -lt 200 ]; do n=$((n+1)); sleep 0.05; done\n`
    const { status, stdout } = run(project(newer), "node", "old.mjs", "serve")
    assert.deepStrictEqual([stdout, status], ["drained\n", 5])
  })
})

describe("the counts of a test run", () => {
  const report = (...files: ReadonlyArray<readonly [status: string, ...tests: ReadonlyArray<string>]>) => {
    const testResults = files.map(([status, ...tests]) => ({
      status,
      assertionResults: tests.map((status) => ({ status }))
    }))
    const file = join(folder, "report.json")
    writeFileSync(file, JSON.stringify({ testResults }))
    const { status, stdout } = run(root, "node", "scripts/counts.ts", file)
    return [stdout, status]
  }

  it("are one plain line, and the exit code says whether all is well", () => {
    assert.deepStrictEqual(report(["passed", "passed", "passed"]), ["2 passed, 0 failed\n", 0])
    assert.deepStrictEqual(report(["passed", "passed", "pending"]), ["1 passed, 0 failed, 1 skipped\n", 0])
    assert.deepStrictEqual(report(["failed", "passed", "failed"]), ["1 passed, 1 failed\n", 1])
  })

  it("count a file that failed before its first test, and refuse a run without tests", () => {
    assert.deepStrictEqual(report(["failed"], ["passed", "passed"]), ["1 passed, 1 failed\n", 1])
    assert.deepStrictEqual(report(), ["0 passed, 0 failed\n", 1])
    assert.strictEqual(run(root, "node", "scripts/counts.ts", join(folder, "absent.json")).status, 1)
  })
})
