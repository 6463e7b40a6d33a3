import { assert, describe, it } from "@effect/vitest"
import { connect, createServer, type Socket } from "node:net"
import { openProxy } from "../../scripts/prove/faultProxy.ts"

describe("the proxy with faults", () => {
  /** A server that says what it hears, a way to it, and one connection over that. */
  const setUp = async () => {
    const far: Array<Socket> = []
    const server = createServer((socket) => {
      far.push(socket)
      socket.on("error", () => {}).on("data", (chunk) => socket.write(chunk))
    })
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
    const address = server.address()
    const port = typeof address === "object" && address !== null ? address.port : 0
    const proxy = await openProxy(port)
    const socket = connect(proxy.port, "127.0.0.1").setEncoding("utf8").setNoDelay()
    const closed = new Promise<string>((resolve) => {
      let error = "closed"
      socket.on("error", (cause: NodeJS.ErrnoException) => void (error = cause.code ?? "error")).on(
        "close",
        () => resolve(error)
      )
    })
    let heard = ""
    let wake = () => {}
    socket.on("data", (text: string) => {
      heard += text
      wake()
    })
    const says = async (text: string) => {
      while (heard.length < text.length) await new Promise<void>((resolve) => void (wake = resolve))
      assert.strictEqual(heard, text)
    }
    socket.write("a")
    await says("a")
    return {
      port,
      proxy,
      socket,
      far: far[0]!,
      heard: () => heard,
      says,
      closed,
      end: async () => {
        socket.destroy()
        await proxy.close()
        await new Promise<void>((resolve) => server.close(() => resolve()))
      }
    }
  }

  it("holds everything in a hole, and passes it on late, in order", async () => {
    const { end, far, heard, port, proxy, says, socket } = await setUp()
    proxy.hole()
    await new Promise<void>((resolve) => socket.write("b", () => resolve()))
    far.write("x")
    // by the time that these were there and back, the others would have been too
    const direct = connect(port, "127.0.0.1")
    for (const word of ["1", "2", "3"]) {
      direct.write(word)
      await new Promise<void>((resolve) => direct.once("data", () => resolve()))
    }
    assert.strictEqual(heard(), "a")
    proxy.heal()
    await says("axb")
    direct.destroy()
    await end()
  })

  it("passes on later where it is told to", async () => {
    const { end, proxy, says, socket } = await setUp()
    proxy.delay(40)
    const from = performance.now()
    socket.write("b")
    await says("ab")
    assert.isAtLeast(performance.now() - from, 75)
    await end()
  })

  it("resets connections, at once or in the middle of an answer, one only", async () => {
    const reset = await setUp()
    reset.proxy.rst()
    assert.strictEqual(await reset.closed, "ECONNRESET")
    await reset.end()

    const cut = await setUp()
    cut.proxy.cutAfter(2)
    cut.socket.write("b")
    await cut.says("ab")
    cut.socket.write("cde")
    assert.strictEqual(await cut.closed, "ECONNRESET")
    assert.strictEqual(cut.heard(), "ab")
    await cut.end()
  })

  it("half closes: the client hears the end and is still heard", async () => {
    const { end, far, proxy, socket } = await setUp()
    const half = new Promise<void>((resolve) => socket.once("end", resolve))
    socket.allowHalfOpen = true
    const still = new Promise<string>((resolve) => far.once("data", (chunk) => resolve(chunk.toString())))
    proxy.halfClose()
    await half
    socket.write("b")
    assert.strictEqual(await still, "b")
    await end()
  })
})
