import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { spawn } from "node:child_process"
import { fileURLToPath } from "node:url"

const program = fileURLToPath(new URL("./terminated.ts", import.meta.url))

describe("a process whose pool has work", () => {
  it.live("S2.14 SIGTERM with 20 tasks of 50 ms: all complete before it ends", () =>
    Effect.gen(function*() {
      const output = yield* Effect.callback<string>((resume) => {
        const child = spawn(process.execPath, ["--conditions=ostinato:source", program], {
          stdio: ["ignore", "pipe", "inherit"]
        })
        let said = ""
        child.stdout.on("data", (chunk: Buffer) => {
          if (!said.includes("ready") && chunk.includes("ready")) child.kill("SIGTERM")
          said += chunk.toString()
        })
        child.on("close", () => resume(Effect.succeed(said)))
        return Effect.sync(() => child.kill("SIGKILL"))
      })
      assert.match(
        output,
        /ready[^]*pool stopping was shut down: \d+ completed, 0 interrupted, 0 abandoned[^]*completed 20/
      )
    }))
})
