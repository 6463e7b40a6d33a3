/**
 * A TCP way to the server with faults that are dealt by hand: it holds, slows, cuts or half closes what passes.
 *
 * What a hole held back is passed on late when it heals, as a network that was away does: statements of a process that
 * was taken for dead may still arrive. Listens on loopback only.
 */
import { connect, createServer, type Socket } from "node:net"

/** One way; faults concern all connections that are open, and those that open while they last. */
export interface FaultProxy {
  readonly port: number
  /** Takes every byte and every connection, and passes none on, until `heal`. */
  readonly hole: () => void
  /** What was held arrives, and delays end. */
  readonly heal: () => void
  /** Passes every chunk on so much later. */
  readonly delay: (ms: number) => void
  /** Resets the connections that are open. */
  readonly rst: () => void
  /** Resets the connection over which the server sends the byte after so many more, one only: an answer is cut in two. */
  readonly cutAfter: (bytes: number) => void
  /** The server's side of every open connection says that it will send no more, and still listens. */
  readonly halfClose: () => void
  readonly close: () => Promise<void>
}

interface Link {
  readonly near: Socket
  readonly far: Socket
}

/** Opens a way to a port of this machine. */
export const openProxy = async (target: number): Promise<FaultProxy> => {
  const links = new Set<Link>()
  let isHole = false
  let delayMs = 0
  let bytesUntilCut: number | undefined
  let healing: Array<() => void> = []

  const healed = (go: () => void) => isHole ? void healing.push(go) : go()

  /** Passes on in order; `sees` may forbid it. */
  const pass = (from: Socket, to: Socket, sees: (chunk: Buffer) => boolean) => {
    let due = 0
    const later = (go: () => void) => {
      due = Math.max(due, performance.now() + delayMs)
      const wait = due - performance.now()
      if (wait > 0.5) setTimeout(() => healed(go), wait)
      else healed(go)
    }
    from.on("data", (chunk: Buffer) => {
      if (!sees(chunk)) return
      later(() => {
        if (!to.destroyed && to.writable) to.write(chunk)
      })
    })
    from.on("end", () => later(() => to.end()))
    from.on("error", () => {})
    from.on("close", () => later(() => to.destroy()))
  }

  const server = createServer({ allowHalfOpen: true }, (near) => {
    const far = connect({ port: target, host: "127.0.0.1", allowHalfOpen: true })
    const link = { near, far }
    links.add(link)
    near.on("close", () => links.delete(link))
    pass(near, far, () => true)
    pass(far, near, (chunk) => {
      if (bytesUntilCut === undefined) return true
      bytesUntilCut -= chunk.length
      if (bytesUntilCut >= 0) return true
      bytesUntilCut = undefined
      reset(link)
      return false
    })
  })
  const port = await new Promise<number>((resolve, reject) => {
    server.once("error", reject)
    server.listen(0, "127.0.0.1", () => {
      const address = server.address()
      resolve(typeof address === "object" && address !== null ? address.port : 0)
    })
  })

  return {
    port,
    hole: () => void (isHole = true),
    heal: () => {
      isHole = false
      delayMs = 0
      const held = healing
      healing = []
      for (const go of held) go()
    },
    delay: (ms) => void (delayMs = ms),
    rst: () => links.forEach(reset),
    cutAfter: (bytes) => void (bytesUntilCut = bytes),
    halfClose: () => links.forEach(({ near }) => near.end()),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        links.forEach(reset)
      })
  }
}

const reset = ({ far, near }: Link) => {
  near.resetAndDestroy()
  far.destroy()
}
