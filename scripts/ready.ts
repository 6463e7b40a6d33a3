/**
 * How long the service takes from `npm start` to its first good answer of `/readyz`: on an empty data directory (cold),
 * and on the same one again (warm).
 *
 * `npm run ready` prints both; with `--check` it exits 1 when cold took more than 20 s or warm more than 5 s.
 */
import { spawn } from "node:child_process"
import { once } from "node:events"
import { chmod, mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { setTimeout as wait } from "node:timers/promises"

const limits = { cold: 20_000, warm: 5000 }

const measure = async (directory: string): Promise<number> => {
  const from = performance.now()
  const service = spawn("npm", ["start"], {
    env: { ...process.env, OSTINATO_DATA_DIR: directory, OSTINATO_PORT: "0", LOG_FORMAT: "json" },
    stdio: ["ignore", "ignore", "pipe"]
  })
  const ended = once(service, "exit")
  const exited = ended.then(([code]) => {
    throw new Error(`the service ended with ${code} before it was ready`)
  })
  // the service may end in order later; only an end before it is ready is an error
  exited.catch(() => undefined)
  try {
    const address = await Promise.race([addressOf(service.stderr), exited])
    for (;;) {
      const answer = await Promise.race([fetch(`${address}/readyz`), exited])
      if (answer.ok) return performance.now() - from
      await wait(5)
    }
  } finally {
    service.kill("SIGTERM")
    await ended
  }
}

const addressOf = async (log: NodeJS.ReadableStream): Promise<string> => {
  const lines = createInterface({ input: log })
  for await (const line of lines) {
    const address = /ready in \d+ ms: (http:\/\/[^ ]+)/.exec(line)?.[1]
    if (address !== undefined) {
      log.resume()
      return address
    }
  }
  throw new Error("the service said nothing of its address")
}

const directory = await mkdtemp(join(tmpdir(), "ostinato-ready-"))
// the embedded server of root runs as another user, who has to pass through
await chmod(directory, 0o711)
try {
  const cold = await measure(join(directory, "data"))
  const warm = await measure(join(directory, "data"))
  const seconds = (millis: number) => `${(millis / 1000).toFixed(1)} s`
  console.log(`ready after npm start: cold ${seconds(cold)} (limit 20 s), warm ${seconds(warm)} (limit 5 s)`)
  if (process.argv.includes("--check") && (cold > limits.cold || warm > limits.warm)) process.exitCode = 1
} finally {
  await rm(directory, { recursive: true, force: true })
}
