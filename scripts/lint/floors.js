/**
 * `floors`: a module imports only what stands on a lower floor. The table is the documentation of the house.
 * Checked in `import`, `export … from`, `import()` with a literal, and `new URL("…", import.meta.url)`.
 */
import { appOf, isBrowser, pathOf, roomOf } from "./place.js"

const floor = {
  core: 0,
  store: 1,
  schedule: 2,
  jobs: 2,
  events: 2,
  http: 2,
  files: 2,
  testing: 3,
  service: 3,
  dashboard: 3,
  apps: 4,
  cli: 5
}

/** The seams: their drivers import them, never the reverse. */
const contracts = new Set([
  "src/core/Dispatch.ts",
  "src/core/RunLog.ts",
  "src/schedule/ScheduleStore.ts",
  "src/jobs/JobStore.ts",
  "src/events/EventBroker.ts",
  "src/service/AdminApi.ts",
  "src/service/AppModule.ts"
])

/** Packages that need a server's platform, beside `node:*`. */
const platform = /^(node:|@effect\/platform-|@effect\/sql-)/

const checkPackage = (path, here, target, typeOnly) => {
  if (target === "effect") return "import the module: effect/Effect, not the barrel"
  if (isBrowser(path)) {
    if (platform.test(target)) return `${target} does not exist in a browser`
    if (/^ostinato(\/|$)/.test(target) && !typeOnly && target !== "ostinato/service/AdminApi") {
      return "a page imports types and ostinato/service/AdminApi only"
    }
  }
  if (!/^ostinato(\/|$)/.test(target)) return undefined
  if (here !== "apps" && here !== "cli") return "rooms import by path; only apps import by name"
  return /^ostinato\/(apps|cli|dashboard)(\/|$)/.test(target) ? `${target} is not public` : undefined
}

const checkBrowser = (path, here, target, there, typeOnly) => {
  if (here === "dashboard") {
    if (there !== here && target !== "src/service/AdminApi.ts") return "the dashboard imports service/AdminApi only"
  } else if (!isBrowser(target) && !typeOnly && !target.endsWith("Api.ts")) {
    return "a page imports types and *Api modules only"
  }
  return undefined
}

const checkPath = (path, here, target, typeOnly) => {
  const there = roomOf(target)
  if (there === undefined) return "src imports nothing outside src"
  if (here === "index") return there === "core" ? undefined : "src/index.ts re-exports core only"
  if (target.endsWith("/index.ts")) return "import the module, not the room's barrel"
  if (isBrowser(path)) {
    const finding = checkBrowser(path, here, target, there, typeOnly)
    if (finding !== undefined) return finding
  } else if (isBrowser(target)) return "browser code is built on its own; nothing imports it"
  if (there === here) {
    if (here === "apps" && appOf(target) !== appOf(path)) return "one app never imports another"
    if (contracts.has(path) && /\/(stores|brokers)\//.test(target)) return "a contract never imports its drivers"
    return undefined
  }
  if (here === "apps") return "an app imports ostinato/* by name"
  if (target.includes("/internal/")) return `internal/ belongs to src/${there}`
  if (here === "dashboard") return undefined
  if (floor[here] === undefined || floor[there] === undefined) {
    return `src/${floor[here] === undefined ? here : there} has no floor: add it to the table`
  }
  return floor[there] >= floor[here] ? `src/${here} may not import src/${there}` : undefined
}

/** Whether nothing of an import or export declaration is left at run time. */
const isTypeOnly = (node) => {
  if (node.importKind === "type" || node.exportKind === "type") return true
  const specifiers = node.specifiers ?? []
  return specifiers.length > 0 &&
    specifiers.every((specifier) => specifier.importKind === "type" || specifier.exportKind === "type")
}

export const floors = {
  create(context) {
    const path = pathOf(context.filename)
    const here = roomOf(path)
    if (here === undefined) return {}
    const check = (node, source) => {
      const target = source?.value
      if (typeof target !== "string") return
      const typeOnly = isTypeOnly(node)
      const message = target.startsWith(".")
        ? checkPath(path, here, pathOf(new URL(target.split("?")[0], "file://" + context.filename).pathname), typeOnly)
        : checkPackage(path, here, target, typeOnly)
      if (message !== undefined) context.report({ node, message })
    }
    const fromSource = (node) => check(node, node.source)
    return {
      ImportDeclaration: fromSource,
      ExportNamedDeclaration: fromSource,
      ExportAllDeclaration: fromSource,
      ImportExpression: fromSource,
      NewExpression(node) {
        const [target, base] = node.arguments
        if (node.callee.name === "URL" && base?.type === "MemberExpression" && base.object.type === "MetaProperty") {
          if (/\.[jt]sx?$/.test(target?.value ?? "")) check(node, target)
        }
      }
    }
  }
}
