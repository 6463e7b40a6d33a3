/**
 * Where a file stands in the house. The root is found from this file, so that a parent folder called `src` confuses
 * nothing.
 */
import { readFileSync } from "node:fs"

const root = new URL("../../", import.meta.url).pathname

/** The path below the project's root, with forward slashes: `src/core/Task.ts`. */
export const pathOf = (filename) => {
  const path = new URL("file://" + filename.replaceAll("\\", "/")).pathname
  return path.startsWith(root) ? path.slice(root.length) : path
}

/** The room of a path below the root: `core` for `src/core/Task.ts`, `index` for a file directly in `src`. */
export const roomOf = (path) => {
  const parts = path.split("/")
  if (parts[0] !== "src" || parts.length < 2) return undefined
  return parts.length === 2 ? "index" : parts[1]
}

/** The application of a path: `insights` for `src/apps/insights/Sync.ts`. */
export const appOf = (path) => /^src\/apps\/([^/]+)\//.exec(path)?.[1]

/** Code that is bundled for a page: the dashboard, and the `web` folder of an application. */
export const isBrowser = (path) =>
  /^src\/(dashboard|apps\/[^/]+\/web)\//.test(path) && !path.endsWith("/vite.config.ts")

/** The first file of a worker thread, named `worker.ts` or `<name>.worker.ts`: it runs before any Effect does. */
export const isWorkerEntry = (path) => /(^|\/|\.)worker\.ts$/.test(path)

/**
 * The only exceptions to the rules: rule → file → reason. A file that does not exist, or a reason that says nothing,
 * fails a test.
 */
export const allowed = JSON.parse(readFileSync(new URL("allowed.json", import.meta.url), "utf8"))
