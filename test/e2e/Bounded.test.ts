import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { execFileSync } from "node:child_process"
import * as net from "node:net"
import { EmbeddedPostgres } from "../../src/store/EmbeddedPostgres.ts"
import * as History from "./History.ts"
import * as ServiceProcess from "./ServiceProcess.ts"

/** A connection that has begun a request and never ends it. */
const halfSent = (url: string) =>
  Effect.acquireRelease(
    Effect.callback<net.Socket>((resume) => {
      const socket = net.connect(Number(new URL(url).port), "127.0.0.1", () => {
        socket.write("GET /livez HTTP/1.1\r\nHost: localhost\r\n", () => resume(Effect.succeed(socket)))
      })
      socket.on("error", () => undefined)
    }),
    (socket) => Effect.sync(() => socket.destroy())
  )

/** Stops a server and its backends in their tracks, until the scope closes. */
const frozen = (pid: number) => {
  const all = () =>
    execFileSync("ps", ["-o", "pid=", "--ppid", String(pid)], { encoding: "utf8" }).trim().split(/\s+/).map(Number)
  const signal = (name: NodeJS.Signals) =>
    Effect.sync(() => {
      for (const each of [pid, ...all()]) if (ServiceProcess.isAlive(each)) process.kill(each, name)
    })
  return Effect.acquireRelease(signal("SIGSTOP"), () => signal("SIGCONT"))
}

layer(NodeServices.layer, { excludeTestServices: true, concurrent: true })("a stop", (it) => {
  it.effect(
    "comes to its end although the database hangs and a request is never finished",
    () =>
      Effect.gen(function*() {
        const directory = yield* ServiceProcess.usedDirectory
        const there = { data: yield* ServiceProcess.dataDirectory, repository: yield* History.repository }
        yield* Effect.gen(function*() {
          const server = yield* EmbeddedPostgres
          const env = {
            DATABASE_URL: Redacted.value(server.url),
            OSTINATO_DRAIN_TIMEOUT: "1",
            TASK_SCHEDULER_INTERVAL: "1"
          }
          const service = yield* ServiceProcess.serve(there, { env })
          yield* service.line("pipeline.completed")
          yield* halfSent(service.url)
          yield* Effect.scoped(Effect.gen(function*() {
            yield* frozen(server.pid)
            // a query that waits for the database, begun before the answer to a later request
            yield* Effect.forkScoped(Effect.ignore(ServiceProcess.get(`${service.url}/api/v1/runs`)))
            assert.strictEqual((yield* ServiceProcess.get(`${service.url}/livez`)).status, 200)
            yield* service.signal("SIGTERM")
            assert.deepStrictEqual(yield* service.ended, { code: 0, signal: null })
          }))
        }).pipe(Effect.provide(EmbeddedPostgres.layer({ directory })))
      }),
    60_000
  )

  it.effect("of a command that owns the server waits for another command that uses it", () =>
    Effect.gen(function*() {
      const there = { data: yield* ServiceProcess.usedDirectory, repository: yield* History.repository }
      const first = yield* ServiceProcess.gate()
      const second = yield* ServiceProcess.gate()
      const run = (folder: string) =>
        ServiceProcess.start([...ServiceProcess.main, "run", "insights.sync"], {
          env: { ...ServiceProcess.at(there), PATH: folder }
        })
      const owner = yield* run(first.folder)
      const gitOfOwner = yield* first.reached
      const guest = yield* run(second.folder)
      const gitOfGuest = yield* second.reached
      yield* gitOfOwner.open
      yield* owner.line("run completed")
      yield* gitOfGuest.open
      assert.deepStrictEqual(yield* guest.ended, { code: 0, signal: null })
      assert.deepStrictEqual(yield* owner.ended, { code: 0, signal: null })
      assert.deepStrictEqual(ServiceProcess.postgres(there.data), [])
    }), 60_000)
})
