/** A server that speaks just enough of the wire protocol to answer the version question, for cases no real server shows. */
import * as Effect from "effect/Effect"
import { createServer, type Socket } from "node:net"

/** What the fake does. */
export interface Behaviour {
  /** `server_version_num` that it reports. */
  readonly version: number
  /** Refuses session settings at startup, as connection poolers do. */
  readonly refusesSettings?: boolean
  /** Takes them and forgets them, as poolers do that were told to ignore them. */
  readonly ignoresSettings?: boolean
  /** Accepts the connection and never says a word. */
  readonly silent?: boolean
}

/** Listens on a loopback port until the scope closes and returns the port. */
export const listen = (behaviour: Behaviour) =>
  Effect.acquireRelease(
    Effect.callback<{ readonly port: number; readonly close: () => void }>((resume) => {
      const sockets = new Set<Socket>()
      const server = createServer((socket) => {
        sockets.add(socket)
        socket.on("error", () => {})
        if (behaviour.silent !== true) answer(socket, behaviour)
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
  ).pipe(Effect.map(({ port }) => port))

const message = (type: string, ...parts: ReadonlyArray<Buffer>) => {
  const body = Buffer.concat(parts)
  const head = Buffer.alloc(5)
  head.write(type)
  head.writeInt32BE(body.length + 4, 1)
  return Buffer.concat([head, body])
}
const text = (value: string) => Buffer.from(`${value}\0`)
const int16 = (value: number) => {
  const buffer = Buffer.alloc(2)
  buffer.writeInt16BE(value)
  return buffer
}
const int32 = (value: number) => {
  const buffer = Buffer.alloc(4)
  buffer.writeInt32BE(value)
  return buffer
}

const ready = message("Z", Buffer.from("I"))
const column = (name: string, type: number, format: number) =>
  Buffer.concat([text(name), int32(0), int16(0), int32(type), int16(-1), int32(-1), int16(format)])

const answer = (socket: Socket, { ignoresSettings, refusesSettings, version }: Behaviour) => {
  let pending = Buffer.alloc(0)
  let started = false
  const onStartup = (packet: Buffer) => {
    if (refusesSettings === true && packet.includes("lock_timeout")) {
      const reason = "unsupported startup parameter: lock_timeout"
      socket.end(message("E", text("SERROR"), text("C08P01"), text(`M${reason}`), Buffer.from([0])))
      return
    }
    socket.write(Buffer.concat([message("R", int32(0)), message("K", int32(1), int32(1)), ready]))
  }
  const onSync = () => {
    const label = Buffer.from(`${Math.floor(version / 10_000)}.${version % 10_000}`)
    const patience = Buffer.from(ignoresSettings === true ? "0" : "10s")
    socket.write(Buffer.concat([
      message("1"),
      message("2"),
      message("T", int16(3), column("version", 25, 1), column("number", 23, 1), column("patience", 25, 1)),
      message("D", int16(3), int32(label.length), label, int32(4), int32(version), int32(patience.length), patience),
      message("C", text("SELECT 1")),
      ready
    ]))
  }
  socket.on("data", (chunk) => {
    pending = Buffer.concat([pending, chunk])
    while (pending.length >= 5) {
      const length = started ? pending.readInt32BE(1) + 1 : pending.readInt32BE(0)
      if (pending.length < length) return
      const packet = pending.subarray(0, length)
      pending = pending.subarray(length)
      if (!started) {
        started = true
        onStartup(packet)
      } else if (packet[0] === 0x53) onSync()
    }
  })
}
