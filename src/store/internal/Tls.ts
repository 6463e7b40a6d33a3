/**
 * How far the server has to prove who it is, from the words of its URL (`sslmode`, `sslrootcert`, as libpq has them).
 *
 * With an authority of its own the proof is a duty: never without TLS, never for another host. Only `verify-ca` leaves
 * the host name out, because it asks for that. Without one the client decides by `sslmode`: `require` and `verify-full`
 * take the authorities of the system.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Redacted from "effect/Redacted"
import type { SqlError } from "effect/sql/SqlError"
import type { ConnectionOptions } from "node:tls"
import { DatabaseNotTrusted } from "../DatabaseError.ts"
import type { Target } from "./Target.ts"

/** What the client is to be told; nothing where the URL alone says it. */
export const read = Effect.fnUntraced(function*(url: Redacted.Redacted, target: Target, rootCertificate?: string) {
  const { hostname, searchParams } = new URL(Redacted.value(url))
  const file = rootCertificate ?? searchParams.get("sslrootcert") ?? undefined
  const mode = searchParams.get("sslmode") ?? "verify-full"
  const socket = /^(\/|%2f)/i.test(searchParams.get("host") ?? hostname)
  if (socket || file === undefined || file === "system" || (mode === "disable" && rootCertificate === undefined)) {
    return undefined
  }
  const fs = yield* FileSystem.FileSystem
  const ca = yield* Effect.mapError(
    fs.readFileString(file),
    (error) =>
      new DatabaseNotTrusted({
        target: target.name,
        detail: `the certificate ${file} cannot be read: ${error.message}`
      })
  )
  if (!ca.includes("-----BEGIN CERTIFICATE-----")) {
    return yield* new DatabaseNotTrusted({ target: target.name, detail: `${file} holds no certificate in PEM form` })
  }
  const options: ConnectionOptions = mode === "verify-ca" ? { ca, checkServerIdentity: () => undefined } : { ca }
  return options
})

/** Whether a connection failed because of who answered, not because nobody did. */
export const isDistrust = (error: SqlError): boolean => {
  const cause = error.reason.cause
  if (!(cause instanceof Error)) return false
  const code = "code" in cause ? String(cause.code) : ""
  return cause.message === "The server does not support TLS" || distrust.test(code)
}

// how Node's TLS names what is wrong with a certificate, or with the other side's TLS
const distrust =
  /^(ERR_TLS_|ERR_SSL_|CERT_|CRL_|UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_|INVALID_CA|INVALID_PURPOSE|HOSTNAME_|PATH_LENGTH_)/
