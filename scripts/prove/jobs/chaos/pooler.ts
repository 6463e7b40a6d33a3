/** Debian's PgBouncer in transaction mode in front of a server, for as long as a scenario lasts. */
import { spawn } from "node:child_process"
import { chmodSync, chownSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { createConnection, createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import type { Server } from "../../../postgres.ts"

const places = ["/usr/sbin/pgbouncer", "/usr/bin/pgbouncer", "/usr/local/bin/pgbouncer", "/opt/homebrew/bin/pgbouncer"]

/** Where it is installed; undefined: nowhere. */
export const program = (): string | undefined => places.find((place) => existsSync(place))

// it refuses to run as root; 65534 is `nobody` on every Linux
const unprivileged = process.getuid?.() === 0 ? { uid: 65534, gid: 65534 } : {}

/** Starts one with fewer connections to the server than its clients have to it. */
export const startPooler = async (file: string, server: Server) => {
  const folder = mkdtempSync(join(tmpdir(), "ostinato-pgbouncer-"))
  chmodSync(folder, 0o711)
  const port = await freePort()
  const config = join(folder, "pgbouncer.ini")
  const log = join(folder, "log")
  writeFileSync(
    config,
    `[databases]
postgres = host=127.0.0.1 port=${server.port} user=bench
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 8
max_client_conn = 200
logfile = ${log}
`
  )
  writeFileSync(log, "")
  if (unprivileged.uid !== undefined) chownSync(log, unprivileged.uid, unprivileged.gid)
  const child = spawn(file, ["-q", config], { stdio: "ignore", ...unprivileged })
  const gone = new Promise<void>((resolve) => child.once("exit", () => resolve()))
  for (let left = 100; !await accepts(port); left--) {
    if (left === 0 || child.exitCode !== null) throw new Error(`pgbouncer did not start:\n${readFileSync(log, "utf8")}`)
    await sleep(50)
  }
  return {
    port,
    close: async () => {
      child.kill("SIGINT")
      const late = setTimeout(() => child.kill("SIGKILL"), 3000)
      await gone
      clearTimeout(late)
      rmSync(folder, { recursive: true, force: true })
    }
  }
}

const accepts = (port: number) =>
  new Promise<boolean>((resolve) => {
    const socket = createConnection(port, "127.0.0.1")
    socket.once("connect", () => {
      socket.destroy()
      resolve(true)
    }).once("error", () => resolve(false))
  })

const freePort = () =>
  new Promise<number>((resolve, reject) => {
    const probe = createServer()
    probe.on("error", reject)
    probe.listen(0, "127.0.0.1", () => {
      const address = probe.address()
      probe.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0))
    })
  })
