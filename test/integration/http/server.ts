/** A real server on loopback, and clients that are nothing but sockets. */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServer from "effect/http/HttpServer"
import * as Layer from "effect/Layer"
import { once } from "node:events"
import { createServer } from "node:http"
import { connect, type Socket } from "node:net"
import type { ActiveRequest } from "ostinato/http/ActiveRequest"
import * as RequestRegistry from "ostinato/http/RequestRegistry"

type Routes<R> = Layer.Layer<
  never,
  never,
  HttpRouter.HttpRouter | HttpRouter.Request<"Requires", ActiveRequest> | HttpRouter.Request<"Error", unknown> | R
>

/** Serves routes on a port of their own, with a registry. */
export const serve = <R>(routes: Routes<R>, options?: RequestRegistry.RegistryOptions) =>
  Effect.gen(function*() {
    const registry = yield* RequestRegistry.make(options)
    const served = HttpRouter.serve(
      routes.pipe(
        Layer.provide(RequestRegistry.layerTracked),
        Layer.provide(Layer.succeed(RequestRegistry.RequestRegistry, registry))
      ),
      { disableListenLog: true, disableLogger: true }
    ).pipe(
      Layer.provideMerge(NodeHttpServer.layer(() => createServer(), {
        host: "127.0.0.1",
        port: 0,
        gracefulShutdownTimeout: "100 millis"
      }))
    )
    const context = yield* Layer.build(served)
    const { address } = yield* Effect.provideContext(HttpServer.HttpServer, context)
    if (address._tag === "UnixPathAddress") return yield* Effect.die(new Error("the server listens on no port"))
    const { port } = address
    return { registry, port, url: `http://127.0.0.1:${port}` }
  })

/** A connection, and what has come over it. */
export interface Wire {
  readonly socket: Socket
  readonly write: (text: string) => void
  /** Everything that has come, once this is in it. */
  readonly until: (part: string | RegExp) => Promise<string>
  readonly received: () => string
  /** Resolves when the other side has closed. */
  readonly closed: Promise<unknown>
}

export const dial = async (port: number, options?: { readonly allowHalfOpen?: boolean }): Promise<Wire> => {
  const socket = connect({ port, host: "127.0.0.1", ...options })
  await once(socket, "connect")
  let text = ""
  const listeners = new Set<() => void>()
  socket.setEncoding("utf8")
  socket.on("data", (part: string) => {
    text += part
    for (const listener of listeners) listener()
  })
  socket.on("error", () => {})
  const isThere = (part: string | RegExp) => typeof part === "string" ? text.includes(part) : part.test(text)
  return {
    socket,
    write: (text) => void socket.write(text),
    received: () => text,
    closed: once(socket, "close"),
    until: (part) =>
      new Promise((resolve, reject) => {
        const look = () => {
          if (!isThere(part)) return
          listeners.delete(look)
          resolve(text)
        }
        listeners.add(look)
        socket.once("close", () => isThere(part) ? resolve(text) : reject(new Error(`closed after: ${text}`)))
        look()
      })
  }
}

export const get = (path: string, ...headers: ReadonlyArray<string>) =>
  [`GET ${path} HTTP/1.1`, "Host: localhost", ...headers, "", ""].join("\r\n")

export const post = (path: string, body: string, ...headers: ReadonlyArray<string>) =>
  [`POST ${path} HTTP/1.1`, "Host: localhost", `Content-Length: ${Buffer.byteLength(body)}`, ...headers, "", body].join(
    "\r\n"
  )

const bodyOf = async (url: string, init: RequestInit) => (await fetch(url, init)).text()

/** The body of what is answered there. */
export const ask = (url: string, init?: RequestInit) => Effect.promise((signal) => bodyOf(url, { ...init, signal }))
