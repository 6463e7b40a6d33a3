/** A way to the server that can be taken away and given back, as a network or a restart does. */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { connect, createServer, type Socket } from "node:net"

/** The same database by way of a port. */
export const url = (of: Redacted.Redacted, port: number) => {
  const { pathname, password, username } = new URL(Redacted.value(of))
  return `postgres://${username}:${password}@127.0.0.1:${port}${pathname}`
}

/** Listens on a loopback port until the scope closes and passes everything on to a unix socket. */
export const listen = Effect.fnUntraced(function*(socketPath: string) {
  const sockets = new Set<Socket>()
  const server = createServer((client) => {
    const upstream = connect(socketPath)
    for (const [one, other] of [[client, upstream], [upstream, client]] as const) {
      sockets.add(one)
      one.on("error", () => other.destroy())
      one.on("close", () => {
        sockets.delete(one)
        other.destroy()
      })
      one.pipe(other)
    }
  })
  const open = (port: number) =>
    Effect.callback<number>((resume) => {
      server.listen(port, "127.0.0.1", () => {
        const address = server.address()
        resume(Effect.succeed(typeof address === "object" && address !== null ? address.port : 0))
      })
    })
  const close = Effect.callback<void>((resume) => {
    server.close(() => resume(Effect.void))
    for (const socket of sockets) socket.destroy()
  })
  const port = yield* Effect.acquireRelease(open(0), () => close)
  return { port, cut: close, restore: Effect.asVoid(open(port)) }
})
