/** A link to the server that can be cut and mended. */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { connect, createServer, type Socket } from "node:net"

export const open = Effect.fnUntraced(function*(url: Redacted.Redacted) {
  const target = new URL(Redacted.value(url))
  const path = `${decodeURIComponent(target.hostname)}/.s.PGSQL.${target.port}`
  const sockets = new Set<Socket>()
  let isCut = false
  const close = () => {
    for (const socket of sockets) socket.destroy()
  }
  const server = yield* Effect.acquireRelease(
    Effect.callback<{ readonly port: number; readonly end: () => void }>((resume) => {
      const server = createServer((near) => {
        if (isCut) return near.destroy()
        const far = connect(path)
        for (const [one, other] of [[near, far], [far, near]] as const) {
          sockets.add(one)
          one.on("error", () => {}).on("close", () => {
            sockets.delete(one)
            other.destroy()
          })
          one.pipe(other)
        }
      })
      server.listen(0, "127.0.0.1", () => {
        const address = server.address()
        resume(Effect.succeed({
          port: typeof address === "object" && address !== null ? address.port : 0,
          end: () => {
            close()
            server.close()
          }
        }))
      })
    }),
    ({ end }) => Effect.sync(end)
  )
  target.hostname = "127.0.0.1"
  target.port = String(server.port)
  return {
    url: Redacted.make(target.href),
    cut: Effect.sync(() => {
      isCut = true
      close()
    }),
    mend: Effect.sync(() => void (isCut = false))
  }
})
