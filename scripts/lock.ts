/**
 * Completes the locks of the project and of its benches after `npm install`. Tools ship one optional package per platform; where the registry at
 * hand lacks those of another platform, npm leaves them out of the lock and `npm ci` then refuses the lock everywhere.
 * Their names and exact versions stand in the lock already, as their parents' `optionalDependencies`; this adds the
 * missing entries, with the platform that the name states, so that npm skips them without a question. Entries added so
 * carry no checksum: an install on that platform takes what its registry gives.
 */
import { readFileSync, writeFileSync } from "node:fs"
import { join, relative } from "node:path"

interface Entry {
  readonly version?: string
  readonly dev?: boolean
  readonly optional?: boolean
  readonly os?: ReadonlyArray<string>
  readonly cpu?: ReadonlyArray<string>
  readonly libc?: ReadonlyArray<string>
  readonly optionalDependencies?: Readonly<Record<string, string>>
}

export type Packages = Readonly<Record<string, Entry>>

const systems = "aix android darwin freebsd linux netbsd openbsd openharmony sunos win32 windows".split(" ")
const processors = "arm64 arm ia32 loong64 mips64el ppc64 riscv64 s390x wasm32 x64".split(" ")

const platformOf = (name: string) => {
  const parts = name.split(/[/-]/)
  const os = systems.filter((system) => parts.includes(system)).map((system) => system === "windows" ? "win32" : system)
  const cpu = processors.filter((processor) => parts.includes(processor))
  const libc = parts.some((part) => /^(gnu|glibc|gnueabihf)$/.test(part))
    ? ["glibc"]
    : parts.some((part) => part.startsWith("musl"))
    ? ["musl"]
    : []
  if (cpu.length === 0) throw new Error(`${name} is missing from the lock and its name states no platform`)
  return { cpu, ...(os.length > 0 ? { os } : {}), ...(os[0] === "linux" && libc.length > 0 ? { libc } : {}) }
}

/** The entries that the optional dependencies of a lock need and that are not in it: path → entry. */
export const missing = (packages: Packages): Packages => {
  const found: Record<string, Entry> = {}
  for (const [path, entry] of Object.entries(packages)) {
    for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
      const parents = path.split("/node_modules/").map((_, n, all) => all.slice(0, n + 1).join("/node_modules/"))
      const places = [`node_modules/${name}`, ...parents.map((parent) => `${parent}/node_modules/${name}`)]
      if (places.some((place) => packages[place] !== undefined)) continue
      if (!/^\d+\.\d+\.\d+/.test(version)) throw new Error(`${path} wants ${name} ${version}, which is not exact`)
      found[`node_modules/${name}`] = {
        version,
        ...platformOf(name),
        ...(entry.dev === true ? { dev: true } : {}),
        optional: true
      }
    }
  }
  return found
}

if (import.meta.main) {
  for (const folder of ["..", "bench"]) {
    const file = join(import.meta.dirname, folder, "package-lock.json")
    const lock: { packages: Packages } = JSON.parse(readFileSync(file, "utf8"))
    const added = missing(lock.packages)
    lock.packages = Object.fromEntries(
      Object.entries({ ...lock.packages, ...added }).sort(([one], [other]) => one < other ? -1 : 1)
    )
    writeFileSync(file, JSON.stringify(lock, undefined, 2) + "\n")
    console.log(`${relative(process.cwd(), file)}: ${Object.keys(added).length} entries added`)
  }
}
