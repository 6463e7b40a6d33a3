/** A server with TLS in front of one without: it answers Postgres' question for TLS, decrypts, and passes everything on. */
import * as Effect from "effect/Effect"
import { readFileSync } from "node:fs"
import { connect, createServer, type Socket } from "node:net"
import { TLSSocket } from "node:tls"
import { fileURLToPath } from "node:url"

/** A file beside the certificates: `ca.pem` signed `server.pem`, which is for `localhost`; `other-ca.pem` signed nothing. */
export const fixture = (name: string) => fileURLToPath(new URL(`../../fixtures/tls/${name}`, import.meta.url))

/** Listens on a loopback port until the scope closes. `tls: false` says that it has none. */
export const listen = (socketPath: string, options?: { readonly tls: boolean }) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.callback<{ readonly port: number; readonly close: () => void }>((resume) => {
        const sockets = new Set<Socket>()
        const server = createServer((client) => {
          sockets.add(client)
          client.on("error", () => {})
          client.once("data", () => answer(client, socketPath, options?.tls ?? true))
        })
        server.listen(0, "127.0.0.1", () => {
          const address = server.address()
          resume(Effect.succeed({
            port: typeof address === "object" && address !== null ? address.port : 0,
            close: () => {
              for (const socket of sockets) socket.destroy()
              server.close()
            }
          }))
        })
      }),
      ({ close }) => Effect.sync(close)
    ),
    ({ port }) => port
  )

const answer = (client: Socket, socketPath: string, tls: boolean) => {
  client.write(tls ? "S" : "N")
  if (!tls) return
  const open = new TLSSocket(client, {
    isServer: true,
    cert: readFileSync(fixture("server.pem")),
    key: readFileSync(fixture("server.key"))
  })
  open.on("error", () => client.destroy())
  open.once("secure", () => {
    const server = connect(socketPath)
    for (const [one, other] of [[open, server], [server, open]] as const) {
      one.on("error", () => other.destroy())
      one.on("close", () => other.destroy())
      one.pipe(other)
    }
  })
}
