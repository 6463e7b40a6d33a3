/**
 * A Redis of its own for each measurement: append-only file, flushed every second, loopback on a free port.
 *
 * A crash of the machine may lose the last second, where Postgres loses nothing: the two are not the same promise.
 */
import { spawn } from "node:child_process"
import { existsSync, mkdtempSync, rmSync } from "node:fs"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { delimiter, join } from "node:path"
import { redis } from "../../peers.ts"
import { treeCpuSeconds } from "../../proc.ts"
import { track } from "../process.ts"
import type { Place } from "./Place.ts"

const settings = "--bind 127.0.0.1 --appendonly yes --appendfsync everysec --save"

const freePort = () =>
  new Promise<number>((resolve, reject) => {
    const probe = createServer()
    probe.on("error", reject)
    probe.listen(0, "127.0.0.1", () => {
      const address = probe.address()
      probe.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0))
    })
  })

const findRedis = (): string | undefined =>
  [...(process.env["PATH"] ?? "").split(delimiter), "/usr/bin"]
    .map((folder) => join(folder, "redis-server")).find((path) => existsSync(path))

const sleep = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms))

/** Starts a server; `lists` are the keys of lists that hold jobs that have not ended. */
export const openRedis = async (lists: ReadonlyArray<string>): Promise<Place> => {
  const program = findRedis()
  if (program === undefined) throw new Error("not run: redis-server absent")
  const folder = mkdtempSync(join(tmpdir(), "ostinato-redis-"))
  const port = await freePort()
  const child = spawn(program, [...settings.split(" "), "", "--port", String(port), "--dir", folder], {
    stdio: "ignore"
  })
  track(child)
  const gone = new Promise<void>((resolve) => {
    child.once("error", () => resolve())
    child.once("exit", () => resolve())
  })
  const { Redis } = await redis()
  const client = new Redis({ host: "127.0.0.1", port, lazyConnect: true, retryStrategy: () => 20 })
  client.on("error", () => {})
  const figure = async (section: string, name: string) =>
    Number(new RegExp(`${name}:(\\d+)`).exec(await client.info(section))?.[1] ?? 0)
  const close = async () => {
    client.disconnect()
    child.kill("SIGTERM")
    await gone
    rmSync(folder, { recursive: true, force: true })
  }
  try {
    await client.ping()
  } catch (error) {
    await close()
    throw error
  }
  return {
    url: `redis://127.0.0.1:${port}`,
    cpuSeconds: () => child.pid === undefined ? 0 : treeCpuSeconds(child.pid),
    logBytes: () => figure("persistence", "aof_current_size"),
    settle: async () => {
      // a rewrite of the append-only file may run beside the fill: it must not run into the clock
      while (await figure("persistence", "aof_rewrite_in_progress") !== 0) await sleep(20)
    },
    isLeft: async () => {
      for (const list of lists) if (await client.llen(list) > 0) return true
      return false
    },
    close
  }
}
