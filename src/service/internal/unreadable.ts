/** What is said of a request that cannot be read as HTTP at all, before anything of the service has seen it. */
import type { Server } from "node:http"
import type { Duplex } from "node:stream"

/** Answers such requests of a server as all others that fail: with a problem. */
export const tell = (server: Server, maxHeaderBytes: number): void => {
  const answering = new WeakSet<Duplex>()
  server.on("request", ({ socket }, response) => {
    answering.add(socket)
    response.once("close", () => answering.delete(socket))
  })
  server.on("clientError", (error: NodeJS.ErrnoException, socket) => {
    // nothing may come between the parts of an answer
    if (error.code === "ECONNRESET" || !socket.writable || answering.has(socket)) return socket.destroy()
    socket.end(answerTo(error.code, maxHeaderBytes), () => socket.destroy())
  })
}

const answerTo = (code: string | undefined, maxHeaderBytes: number) => {
  const { title, type, phrase, status } = code === "HPE_HEADER_OVERFLOW"
    ? {
      type: "urn:ostinato:headers-too-large",
      status: 431,
      phrase: "Request Header Fields Too Large",
      title: `The headers, with the address, are larger than ${maxHeaderBytes} bytes: put a long filter into a body`
    }
    : code === "ERR_HTTP_REQUEST_TIMEOUT"
    ? { type: "about:blank", status: 408, phrase: "Request Timeout", title: "The request did not come in time" }
    : { type: "about:blank", status: 400, phrase: "Bad Request", title: "The request is not HTTP/1.1 as it should be" }
  const body = JSON.stringify({ type, status, title })
  return [
    `HTTP/1.1 ${status} ${phrase}`,
    "content-type: application/problem+json",
    `content-length: ${Buffer.byteLength(body)}`,
    "connection: close",
    "",
    body
  ].join("\r\n")
}
