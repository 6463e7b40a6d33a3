import * as Schema from "effect/Schema"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { createInterface } from "node:readline"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import { type Server, startServer } from "../../scripts/postgres.ts"
import { packed } from "../house/packed.ts"
import { run } from "../house/planted.ts"

const names = Schema.Array(Schema.String)
const decode = Schema.decodeSync(Schema.fromJsonString(Schema.Struct({
  value: Schema.Struct({ first: Schema.Int, second: Schema.Int }),
  tasks: names,
  schedules: names,
  spans: names
})))

let project = ""
let server: Server | undefined
beforeAll(async () => {
  project = await packed("test/fixtures/host")
  server = await startServer({ fsync: "off" })
}, 120_000)
afterAll(() => server?.stop())

describe("D.5 a host application", () => {
  it("in Express serves a route by a task through ManagedRuntime, and drains it at its end", () => {
    const { status, stderr, stdout } = run(project, "node", "host/express.mjs")
    assert.strictEqual(status, 0, stderr)
    assert.match(stdout, /\{"said":"WELL"\}\nhost\.slow completed\n$/)
  })

  it("in Effect embeds pool, pipeline and scheduler twice, in two schemas, and keeps its main, client, router and tracer", async () => {
    const host = spawn(process.execPath, ["host/effect.mjs"], {
      cwd: project,
      env: { ...process.env, DATABASE_URL: server?.url("postgres") },
      stdio: ["ignore", "pipe", "inherit"]
    })
    const lines: Array<string> = []
    const port = new Promise<string>((resolve, reject) => {
      createInterface(host.stdout).on("line", (line) => {
        lines.push(line)
        if (line.startsWith("port ")) resolve(line.slice(5))
      })
      host.once("exit", () => reject(new Error(`the host ended: ${lines.join("\n")}`)))
    })
    try {
      const ask = async (name: string) => decode(await (await fetch(`http://127.0.0.1:${await port}/${name}`)).text())
      for (const name of ["left", "right"]) {
        const { schedules, spans, tasks, value } = await ask(name)
        // the notes of both instances are rows of one table, written through the client of the host
        assert.isAbove(value.second, value.first)
        assert.deepStrictEqual(schedules, [`every.${name}`])
        assert.include(tasks, "host.twice")
        for (const span of ["run host.twice", "stage first", "stage second"]) assert.include(spans, span)
      }
      const ended = once(host, "exit")
      host.kill("SIGTERM")
      await ended
      assert.include(lines, "the host heard the signal")
      assert.isTrue(lines.some((line) => line.endsWith("the host ends")), lines.join("\n"))
    } finally {
      host.kill("SIGKILL")
    }
  })
})
