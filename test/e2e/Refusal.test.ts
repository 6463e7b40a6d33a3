import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as fs from "node:fs"
import * as path from "node:path"
import * as TlsProxy from "../integration/store/tlsProxy.ts"
import * as ServiceProcess from "./ServiceProcess.ts"

/** A place that no test here gets to use. */
const nowhere = Effect.map(ServiceProcess.dataDirectory, (data) => ({ data, repository: path.dirname(data) }))

const refuse = Effect.fnUntraced(function*(env: Readonly<Record<string, string>>) {
  const there = yield* nowhere
  const ended = yield* ServiceProcess.command(["serve"], { env: { ...ServiceProcess.at(there), ...env } })
  return { ...ended, touched: fs.existsSync(there.data) }
})

layer(NodeServices.layer, { excludeTestServices: true })("serve refuses", (it) => {
  it.effect("S1.13 an interval that is none: one line naming TASK_SCHEDULER_INTERVAL and the value, 78, no stack", () =>
    Effect.gen(function*() {
      const values = ["abc", "", "0", "-5", "1e99"]
      const refusals = yield* Effect.forEach(values, (value) => refuse({ TASK_SCHEDULER_INTERVAL: value }), {
        concurrency: 2
      })
      refusals.forEach(({ code, stderr, stdout, touched }, index) => {
        assert.strictEqual(code, 78)
        assert.strictEqual(stderr.length, 1, stderr.join("\n"))
        const [said = ""] = stderr
        assert.isTrue(said.startsWith(`ostinato: TASK_SCHEDULER_INTERVAL: "${values[index]}" is no `), said)
        assert.match(said, /[Ww]rite seconds \(1209600\), words \("2 weeks", "5 minutes"\) or ISO-8601 \(P14D, PT5M\)/)
        assert.deepStrictEqual([stdout, touched], ["", false])
      })
    }))

  it.effect("several bad settings together, one line each, without showing a password; nothing is made", () =>
    Effect.gen(function*() {
      const { code, stderr, touched } = yield* refuse({
        OSTINATO_HOST: "0.0.0.0",
        OSTINATO_PORT: "70707",
        OSTINATO_SCHEMA: "Shop",
        DATABASE_URL: "mysql://user:secret@127.0.0.1/x",
        TASK_SCHEDULER_ENABLED: "perhaps",
        OSTINATO_ROLE: "boss",
        OSTINATO_QUEUES: "insights",
        OSTINATO_DAILY: "perhaps",
        OSTINATO_DRAIN_TIMEOUT: "soon",
        OSTINATO_REPOSITORY: "https://user:secret@example.org/score.git",
        LOG_LEVEL: "loud",
        LOG_FORMAT: "xml"
      })
      assert.strictEqual(code, 78)
      const names = stderr.map((line) => /^ostinato: ([A-Z_]+): /.exec(line)?.[1])
      assert.deepStrictEqual(names, [
        "OSTINATO_HOST",
        "OSTINATO_PORT",
        "DATABASE_URL",
        "OSTINATO_SCHEMA",
        "TASK_SCHEDULER_ENABLED",
        "OSTINATO_ROLE",
        "OSTINATO_QUEUES",
        "OSTINATO_DRAIN_TIMEOUT",
        "LOG_LEVEL",
        "LOG_FORMAT",
        "OSTINATO_REPOSITORY",
        "OSTINATO_DAILY"
      ])
      assert.notInclude(stderr.join("\n"), "secret")
      assert.isFalse(touched)
    }))

  it.effect("an address that others can reach, with 78", () =>
    Effect.gen(function*() {
      const { code, stderr, touched } = yield* refuse({ OSTINATO_HOST: "0.0.0.0" })
      assert.deepStrictEqual([code, stderr.length, touched], [78, 1, false])
      assert.match(stderr[0] ?? "", /^ostinato: OSTINATO_HOST: "0\.0\.0\.0" is not a loopback address/)
    }))

  it.effect("a database that does not answer, with 69 and one line that names the address and not the password", () =>
    Effect.gen(function*() {
      const { code, stderr, touched } = yield* refuse({ DATABASE_URL: "postgres://me:s3cret@127.0.0.1:1/figures" })
      assert.deepStrictEqual([code, touched], [69, false])
      assert.deepStrictEqual(stderr, [
        "ostinato: cannot reach Postgres at 127.0.0.1:1/figures: connection refused. " +
        "Check DATABASE_URL, or unset it to use the embedded server"
      ])
    }))

  it.effect("D.13 a database that the given authority did not sign, with 78 and one line that names the address and not the password", () =>
    Effect.gen(function*() {
      const port = yield* TlsProxy.listen("/nonexistent")
      const query = `sslmode=verify-full&sslrootcert=${TlsProxy.fixture("other-ca.pem")}`
      const { code, stderr, touched } = yield* refuse({
        DATABASE_URL: `postgres://me:s3cret@localhost:${port}/figures?${query}`
      })
      assert.deepStrictEqual([code, touched, stderr.length], [78, false, 1], stderr.join("\n"))
      assert.include(stderr[0], `ostinato: will not speak to Postgres at localhost:${port}/figures: unable to verify`)
    }))

  it.effect("a data directory that cannot be made, with 78 and one line that names it", () =>
    Effect.gen(function*() {
      const { data } = yield* nowhere
      fs.writeFileSync(data, "a file")
      const { code, stderr } = yield* refuse({ OSTINATO_DATA_DIR: path.join(data, "below") })
      assert.strictEqual(code, 78)
      assert.strictEqual(stderr.length, 1, stderr.join("\n"))
      assert.include(stderr[0], `ostinato: cannot use the data directory ${path.join(data, "below")}: `)
      assert.strictEqual(fs.readFileSync(data, "utf8"), "a file")
    }))

  it.effect("a data directory or a port that another service uses, with one line that names it; the other serves on", () =>
    Effect.gen(function*() {
      const there = { ...yield* nowhere, data: yield* ServiceProcess.usedDirectory }
      const service = yield* ServiceProcess.serve(there, { env: { TASK_SCHEDULER_ENABLED: "false" } })
      const second = yield* refuse(ServiceProcess.at(there))
      assert.strictEqual(second.code, 4)
      assert.deepStrictEqual(second.stderr, [
        `ostinato: the data directory ${there.data} is in use by process ${service.pid}: ` +
        "stop that process, or choose another data directory"
      ])

      const { port } = new URL(service.url)
      const elsewhere = yield* ServiceProcess.usedDirectory
      const third = yield* refuse({ OSTINATO_DATA_DIR: elsewhere, OSTINATO_PORT: port })
      assert.strictEqual(third.code, 4, third.stderr.join("\n"))
      assert.deepStrictEqual(third.told, [
        `ostinato: cannot listen on 127.0.0.1:${port}: another process listens there. ` +
        "Stop what listens there or set OSTINATO_PORT"
      ])
      assert.deepStrictEqual(ServiceProcess.postgres(elsewhere), [])
      assert.strictEqual((yield* ServiceProcess.get(`${service.url}/readyz`)).status, 200)
    }))
})
