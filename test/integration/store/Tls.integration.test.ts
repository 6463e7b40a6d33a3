/** Who the server has to prove to be, over real TLS. */
import { assert, layer } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Runtime from "effect/Runtime"
import * as SqlClient from "effect/sql/SqlClient"
import { Database, type DatabaseOptions } from "ostinato/store/Database"
import * as TestDatabase from "../../contract/TestDatabase.ts"
import * as TlsProxy from "./tlsProxy.ts"

/** The server's URL by way of the proxy. */
const through = Effect.fnUntraced(function*(host: string, query: string, options?: { readonly tls: boolean }) {
  const url = new URL(Redacted.value((yield* Database).url))
  const port = yield* TlsProxy.listen(`${decodeURIComponent(url.hostname)}/.s.PGSQL.${url.port}`, options)
  return Redacted.make(`postgres://${url.username}:${url.password}@${host}:${port}/postgres?${query}`)
})

const connected = (url: Redacted.Redacted, options?: Pick<DatabaseOptions, "rootCertificate">) =>
  Effect.scoped(
    Effect.flatMap(
      Layer.build(Database.layer({ url, directory: "/nonexistent", ...options })),
      (services) =>
        Effect.provideContext(
          Effect.flatMap(SqlClient.SqlClient, (sql) => sql<{ one: number }>`SELECT 1 AS one`),
          services
        )
    )
  )

const refused = Effect.fnUntraced(function*(url: Redacted.Redacted) {
  const exit = yield* Effect.exit(connected(url))
  if (exit._tag === "Success") return "connected"
  assert.notInclude(Cause.pretty(exit.cause), new URL(Redacted.value(url)).password)
  const error = yield* Effect.flip(Effect.failCause(exit.cause))
  assert.strictEqual(Runtime.getErrorExitCode(error), 78)
  return error._tag === "DatabaseNotTrusted" ? error.message : error._tag
})

const ca = TlsProxy.fixture("ca.pem")

layer(TestDatabase.layer(), { excludeTestServices: true, timeout: 60_000 })("TLS", (it) => {
  it.effect("D.13 a server that the given authority signed for this host is connected to", () =>
    Effect.gen(function*() {
      for (
        const query of [
          `sslrootcert=${ca}`,
          `sslmode=verify-full&sslrootcert=${ca}`,
          `sslmode=prefer&sslrootcert=${ca}`
        ]
      ) {
        assert.strictEqual((yield* connected(yield* through("localhost", query))).length, 1)
      }
      assert.strictEqual((yield* connected(yield* through("localhost", ""), { rootCertificate: ca })).length, 1)
    }))

  it.effect("D.13 another authority, another host, no authority or no TLS at all refuses to connect, with exit code 78", () =>
    Effect.gen(function*() {
      const other = TlsProxy.fixture("other-ca.pem")
      const wrong = yield* refused(yield* through("localhost", `sslrootcert=${other}`))
      assert.match(wrong, /^will not speak to Postgres at localhost:\d+\/postgres: unable to verify/)
      const host = yield* refused(yield* through("127.0.0.1", `sslrootcert=${ca}`))
      assert.include(host, "IP: 127.0.0.1 is not in the cert's list")
      assert.include(yield* refused(yield* through("localhost", "sslmode=verify-full")), "unable to verify")
      const plain = yield* through("localhost", `sslmode=prefer&sslrootcert=${ca}`, { tls: false })
      assert.include(yield* refused(plain), "The server does not support TLS")
    }))

  it.effect("D.13 verify-ca leaves out the host name, and nothing else", () =>
    Effect.gen(function*() {
      const query = `sslmode=verify-ca&sslrootcert=${ca}`
      assert.strictEqual((yield* connected(yield* through("127.0.0.1", query))).length, 1)
      const other = `sslmode=verify-ca&sslrootcert=${TlsProxy.fixture("other-ca.pem")}`
      assert.include(yield* refused(yield* through("127.0.0.1", other)), "unable to verify")
    }))

  it.effect("D.13 an authority that cannot be read refuses to connect and names the file", () =>
    Effect.gen(function*() {
      const missing = yield* refused(yield* through("localhost", "sslrootcert=/nonexistent/ca.pem"))
      assert.include(missing, "the certificate /nonexistent/ca.pem cannot be read")
      const key = yield* refused(yield* through("localhost", `sslrootcert=${TlsProxy.fixture("server.key")}`))
      assert.include(key, "holds no certificate in PEM form")
    }))
})
