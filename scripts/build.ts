/**
 * Builds `dist` from `src`: JavaScript, declarations and maps by `tsc`, the pages by `vite`, and every other file that a
 * module reads at run time (`.sql` and the like) copied beside it. The folder is emptied first, so nothing of an earlier
 * build survives. A build that left a path to a `.ts` file in its output fails: such a path works from source only.
 */
import { spawnSync } from "node:child_process"
import { chmodSync, copyFileSync, existsSync, globSync, mkdirSync, readFileSync, rmSync } from "node:fs"
import { dirname, join } from "node:path"
import * as web from "./web.ts"

const root = join(import.meta.dirname, "..")

/** What tsc does not emit and the package does not need. */
const isAsset = (file: string) => !/\.(tsx?|md)$/.test(file) && !/^(dashboard|apps\/[^/]+\/web)\//.test(file)

/**
 * The lines of built JavaScript that name a TypeScript file as a URL: `tsc` rewrites imports, but not
 * `new URL("./worker.ts", import.meta.url)`.
 */
export const sourceUrls = (code: string): Array<string> =>
  code.replace(/\/\*[\s\S]*?\*\//g, "").split("\n").filter((line) =>
    /^(?!\s*\/\/).*new URL\(\s*["'`][^"'`]*\.tsx?["'`]/.test(line)
  )

const fail = (message: string): never => {
  console.error(message)
  process.exit(1)
}

if (import.meta.main) {
  const dist = join(root, "dist")
  rmSync(dist, { recursive: true, force: true })
  const tsc = spawnSync(join(root, "node_modules", ".bin", "tsc"), ["--project", "scripts/tsconfig.build.json"], {
    cwd: root,
    stdio: "inherit"
  })
  if (tsc.status !== 0) fail("build: tsc found errors")

  for (const file of globSync("**/*.*", { cwd: join(root, "src") }).filter(isAsset)) {
    mkdirSync(dirname(join(dist, file)), { recursive: true })
    copyFileSync(join(root, "src", file), join(dist, file))
  }

  const broken = globSync("**/*.js", { cwd: dist }).flatMap((file) =>
    sourceUrls(readFileSync(join(dist, file), "utf8")).map((line) => `dist/${file}: ${line.trim()}`)
  )
  if (broken.length > 0) fail(`build: these paths work from source only; name the built file:\n${broken.join("\n")}`)

  const bin = join(dist, "cli", "bin.js")
  if (!existsSync(bin)) fail("build: dist/cli/bin.js is missing")
  chmodSync(bin, 0o755)
  web.build(web.pages(root))
}
