/**
 * The pages of the project: every folder `src/apps/<app>/web` (or `src/dashboard`) with a `vite.config.ts`.
 *
 * `node scripts/web.ts build` builds those that are absent from `dist/web/<name>` or older than their sources, and does
 * nothing, quickly, when there is nothing to do; `--all` builds every one. `node scripts/web.ts check` type-checks each
 * under its own `tsconfig.json`. A failing step stops the run with its exit code.
 */
import { spawnSync } from "node:child_process"
import { existsSync, globSync, statSync } from "node:fs"
import { basename, dirname, join } from "node:path"

const root = join(import.meta.dirname, "..")

export interface Page {
  readonly name: string
  readonly folder: string
  readonly output: string
}

/** The pages below a project's root; none is not an error. */
export const pages = (root: string): Array<Page> =>
  globSync(["src/dashboard/vite.config.ts", "src/apps/*/web/vite.config.ts"], { cwd: root }).sort().map((config) => {
    const folder = dirname(config)
    const name = basename(folder) === "web" ? basename(dirname(folder)) : basename(folder)
    return { name, folder, output: join("dist", "web", name) }
  })

const newest = (root: string, patterns: Array<string>): number =>
  Math.max(0, ...globSync(patterns, { cwd: root }).map((file) => statSync(join(root, file)).mtimeMs))

/** Whether a page must be built: it is absent, or older than its folder, the API modules or the lock file. */
export const isStale = (root: string, page: Page): boolean => {
  const index = join(root, page.output, "index.html")
  if (!existsSync(index)) return true
  const sources = [`${page.folder}/**/*.*`, "src/**/*Api.ts", "package-lock.json"]
  return newest(root, sources) > statSync(index).mtimeMs
}

const run = (command: string, args: Array<string>) => {
  const { status } = spawnSync(join(root, "node_modules", ".bin", command), args, { cwd: root, stdio: "inherit" })
  if (status !== 0) process.exit(status ?? 1)
}

/** Builds pages into `dist/web/<name>`; exits with the builder's code when one fails. */
export const build = (which: ReadonlyArray<Page>) => {
  for (const page of which) {
    const output = join(root, page.output)
    const config = join(page.folder, "vite.config.ts")
    run("vite", ["build", page.folder, "--config", config, "--outDir", output, "--emptyOutDir", "--logLevel", "warn"])
    if (!existsSync(join(output, "index.html"))) {
      console.error(`${config} left no ${page.output}/index.html`)
      process.exit(1)
    }
    console.log(`built ${page.output}`)
  }
}

if (import.meta.main) {
  const [verb, flag] = process.argv.slice(2)
  if (verb === "build") build(pages(root).filter((page) => flag === "--all" || isStale(root, page)))
  else if (verb === "check") {
    for (const config of globSync(["src/dashboard/tsconfig.json", "src/apps/*/web/tsconfig.json"], { cwd: root })) {
      run("tsc", ["--noEmit", "--project", config])
    }
  } else {
    console.error("usage: node scripts/web.ts build [--all] | check")
    process.exit(64)
  }
}
