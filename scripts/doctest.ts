/**
 * Runs the documentation: every `ts` fence in the JSDoc of `src` and in the READMEs becomes a module that is type-checked
 * under the project's settings and run by Node. `// => x` at the end of a statement checks that its value equals `x`;
 * a fence marked `ts no-run` is type-checked only. Prints `N examples, N failed`, after `file:line: reason` for each
 * failure, and exits 1 when there is one.
 *
 * `node scripts/doctest.ts [folder]`; the folder defaults to the project itself.
 */
import { spawnSync } from "node:child_process"
import { existsSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { basename, join, resolve } from "node:path"
import { parseSync } from "vite"

const project = join(import.meta.dirname, "..")

interface Example {
  readonly file: string
  /** The line of the file, 1-based, that holds the first line of code. */
  readonly line: number
  readonly code: string
  readonly run: boolean
}

/** The `ts` fences of a text. In TypeScript only those inside a documentation comment count, without its asterisks. */
export const examplesOf = (file: string, text: string): Array<Example> => {
  const found: Array<Example> = []
  const isMarkdown = file.endsWith(".md")
  let inDoc = isMarkdown
  let open: { line: number; indent: string; wanted: boolean; run: boolean; code: Array<string> } | undefined
  for (const [index, raw] of text.split("\n").entries()) {
    if (!isMarkdown && /^\s*\/\*\*/.test(raw)) inDoc = true
    const content = isMarkdown ? raw : raw.replace(/^\s*(\/\*)?\* ?/, "")
    const fence = /^(\s*)```(.*)$/.exec(content)
    if (inDoc && fence !== null) {
      if (open === undefined) {
        const info = (fence[2] ?? "").trim().split(/\s+/)
        const run = !info.includes("no-run")
        open = { line: index + 2, indent: fence[1] ?? "", wanted: info[0] === "ts", run, code: [] }
      } else {
        if (open.wanted) found.push({ file, line: open.line, code: open.code.join("\n"), run: open.run })
        open = undefined
      }
    } else open?.code.push(content.startsWith(open.indent) ? content.slice(open.indent.length) : content)
    if (!isMarkdown && raw.includes("*/")) {
      inDoc = false
      open = undefined
    }
  }
  return found
}

interface Statement {
  readonly type: string
  readonly start: number
  readonly end: number
  readonly expression?: { readonly start: number; readonly end: number }
  readonly declarations?: ReadonlyArray<{ readonly id: { readonly name?: string } }>
}

const isStatement = (node: object): node is Statement =>
  "type" in node && (node.type === "ExpressionStatement" || node.type === "VariableDeclaration")

const statementsOf = (node: unknown, found: Array<Statement> = []): Array<Statement> => {
  if (Array.isArray(node)) { for (const child of node) statementsOf(child, found) }
  else if (typeof node === "object" && node !== null) {
    if (isStatement(node)) found.push(node)
    for (const child of Object.values(node)) statementsOf(child, found)
  }
  return found
}

const prelude = `import { deepStrictEqual as $strict } from "node:assert"; ` +
  `const $equal: (actual: unknown, expected: unknown) => void = $strict; void $equal\n`

/** The module of an example. Its line `n + 1` is line `n` of the example, so that positions carry over. */
export const moduleOf = (code: string): string => {
  const { comments, program } = parseSync("example.ts", code)
  const statements = statementsOf(program.body)
  const edits: Array<{ readonly at: number; readonly text: string }> = []
  for (const comment of comments) {
    const expected = comment.type === "Line" ? /^ =>(.*)$/.exec(comment.value)?.[1]?.trim() : undefined
    if (expected === undefined) continue
    const statement = statements
      .filter(({ end }) => end <= comment.start && /^[\s;]*$/.test(code.slice(end, comment.start)))
      .filter(({ end }) => !code.slice(end, comment.start).includes("\n"))
      .sort((one, other) => one.start - other.start)[0]
    if (statement?.expression !== undefined) {
      const { end, start } = statement.expression
      const logged = /^console\.log\(([\s\S]*)\)$/.exec(code.slice(start, end))
      const from = logged === null ? start : start + "console.log(".length
      if (logged !== null) edits.push({ at: start, text: "/*" }, { at: from, text: "*/" })
      edits.push({ at: from, text: "$equal(" })
      edits.push({ at: logged === null ? end : end - 1, text: `, (${expected})${logged === null ? ")" : ""}` })
    } else {
      const name = statement?.declarations?.at(-1)?.id.name ?? "a_statement_that_ends_on_this_line"
      edits.push({ at: comment.start, text: `;$equal(${name}, (${expected})) ` })
    }
  }
  let result = code
  for (const { at, text } of edits.toReversed()) result = result.slice(0, at) + text + result.slice(at)
  return prelude + result + "\nexport {}\n"
}

/** Imports the modules one after the other and appends one line of JSON for each to a file. */
const runner = (files: ReadonlyArray<string>, results: string) => `
import { appendFileSync } from "node:fs"
const { setTimeout: later } = globalThis
let fail
const failure = new Promise((_, reject) => { fail = reject })
process.on("uncaughtException", (error) => fail(error))
for (const file of ${JSON.stringify(files)}) {
  const limit = new Promise((_, reject) => later(() => reject(new Error("did not end within 30 seconds")), 30000).unref())
  const keepAlive = setInterval(() => {}, 1000)
  const error = await Promise.race([import(file), failure, limit]).then(() => undefined, (error) => error)
  clearInterval(keepAlive)
  const reason = error === undefined ? undefined : { message: String(error?.message ?? error), stack: String(error?.stack) }
  appendFileSync(${JSON.stringify(results)}, JSON.stringify({ file, reason }) + "\\n")
}
process.exit(0)
`

interface Outcome {
  readonly file: string
  readonly reason?: { readonly message: string; readonly stack: string }
}

const main = (root: string) => {
  const folder = join(root, ".ostinato", "doctest")
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  const sources = globSync(["README.md", "src/**/README.md", "src/**/*.ts"], { cwd: root }).sort()
  const examples = sources.flatMap((file) => examplesOf(file, readFileSync(join(root, file), "utf8")))
  const modules = examples.map((example, index) => ({
    ...example,
    path: join(folder, `${index}-${example.file.replace(/\W+/g, "-")}.ts`)
  }))
  const failures = new Map<string, string>()
  const fail = (module: typeof modules[number] | undefined, line: number, reason: string) => {
    if (module === undefined || failures.has(module.path)) return
    failures.set(module.path, `${module.file}:${module.line + line - 2}: ${reason}`)
  }
  const byName = (name: string) => modules.find(({ path }) => basename(path) === basename(name))

  for (const { code, path } of modules) writeFileSync(path, moduleOf(code))
  if (modules.length > 0) {
    const settings = { noEmit: true, rootDir: "../..", noUnusedLocals: false, noUnusedParameters: false }
    const config = { extends: "../../tsconfig.json", compilerOptions: settings, include: ["*.ts"], exclude: [] }
    writeFileSync(join(folder, "tsconfig.json"), JSON.stringify(config))
    const tsc = spawnSync(join(project, "node_modules/.bin/tsc"), ["--pretty", "false", "--project", folder], {
      cwd: root,
      encoding: "utf8"
    })
    for (const match of tsc.stdout.matchAll(/^(\S.*)\((\d+),\d+\): error (.*)$/gm)) {
      const module = byName(match[1] ?? "")
      if (module === undefined) console.error(match[0])
      fail(module, Number(match[2]), match[3] ?? "")
    }
    if (tsc.status !== 0 && failures.size === 0) throw new Error(`tsc failed:\n${tsc.stdout}${tsc.stderr}`)
  }

  const results = join(folder, "results.jsonl")
  const runnable = modules.filter(({ path, run }) => run && !failures.has(path))
  const script = join(folder, "run.mjs")
  writeFileSync(script, runner(runnable.map(({ path }) => path), results))
  const flags = ["--conditions=ostinato:source", "--no-warnings", script]
  const node = spawnSync(process.execPath, flags, { cwd: folder, encoding: "utf8" })
  const lines = existsSync(results) ? readFileSync(results, "utf8").trim().split("\n") : []
  const outcomes: Array<Outcome> = lines.map((line) => JSON.parse(line))
  for (const module of runnable) {
    const outcome = outcomes.find(({ file }) => file === module.path)
    if (outcome === undefined) fail(module, 2, `the process ended before it did (code ${node.status}) ${node.stderr}`)
    else if (outcome.reason !== undefined) {
      const line = outcome.reason.stack.split(basename(module.path) + ":")[1]?.split(":")[0]
      fail(module, Number(line ?? 2), outcome.reason.message)
    }
  }
  for (const failure of failures.values()) console.error(failure)
  console.log(`${modules.length} examples, ${failures.size} failed`)
  process.exitCode = failures.size > 0 ? 1 : 0
}

if (import.meta.main) main(resolve(process.argv[2] ?? project))
