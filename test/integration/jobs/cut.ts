/** A way to the server that is cut at a chosen moment: before a statement arrives there, or before its answer comes back. */
import * as Effect from "effect/Effect"
import { connect, createServer, type Socket } from "node:net"

/** Listens on a loopback port until the scope closes and passes everything on to a unix socket. */
export const listen = Effect.fnUntraced(function*(socketPath: string) {
  const sockets = new Set<Socket>()
  // a text in the bytes of a connection on which it is cut, once
  let armed: { readonly text: string; readonly when: "before" | "after" } | undefined
  let cuts = 0
  const server = createServer((client) => {
    const upstream = connect(socketPath)
    let isHit = false
    const end = () => {
      cuts++
      client.destroy()
      upstream.destroy()
    }
    for (const [one, other] of [[client, upstream], [upstream, client]] as const) {
      sockets.add(one)
      one.on("error", () => other.destroy())
      one.on("close", () => {
        sockets.delete(one)
        other.destroy()
      })
    }
    client.on("data", (bytes) => {
      if (armed !== undefined && bytes.includes(armed.text)) {
        const { when } = armed
        armed = undefined
        if (when === "before") return end()
        isHit = true
      }
      upstream.write(bytes)
    })
    // an answer means that it has been carried out
    upstream.on("data", (bytes) => isHit ? end() : client.write(bytes))
  })
  const port = yield* Effect.acquireRelease(
    Effect.callback<number>((resume) => {
      server.listen(0, "127.0.0.1", () => {
        const address = server.address()
        resume(Effect.succeed(typeof address === "object" && address !== null ? address.port : 0))
      })
    }),
    () =>
      Effect.callback<void>((resume) => {
        server.close(() => resume(Effect.void))
        for (const socket of sockets) socket.destroy()
      })
  )
  return {
    port,
    cuts: () => cuts,
    arm: (when: "before" | "after", text: string) => {
      armed = { when, text }
    }
  }
})
