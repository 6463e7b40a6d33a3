/**
 * Which methods the paths of the API take: what its routes said when they were added.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FindMyWay from "effect/http/FindMyWay"
import * as HttpRouter from "effect/http/HttpRouter"
import * as Layer from "effect/Layer"

/**
 * Settings of the router: names of queues have up to 128 characters, each of which may take 12 in a path.
 *
 * @category constants
 */
export const routerConfig = { maxParamLength: 2000 } as const

/**
 * @category services
 */
export class AllowedMethods extends Context.Service<AllowedMethods, {
  /** Those that a path takes, e.g. `["GET", "HEAD", "POST"]`; none where there is no such path. */
  readonly of: (url: string) => ReadonlyArray<string>
}>()("ostinato/service/AllowedMethods") {}

/**
 * Takes part in the adding of routes: those below it have to be given the router that this gives.
 *
 * @category layers
 */
export const layer = Layer.effectContext(Effect.gen(function*() {
  const router = yield* HttpRouter.HttpRouter
  const table = FindMyWay.make<true>(routerConfig)
  const note = (method: string, path: HttpRouter.PathInput) => {
    if (!path.startsWith("/api/") || method === "*") return
    table.on(method === "GET" ? ["GET", "HEAD"] : method, path, true)
  }
  const noting: HttpRouter.HttpRouter = {
    ...router,
    add: (method, path, handler, options) => {
      note(method, path)
      return router.add(method, path, handler, options)
    },
    addAll: (routes) => {
      for (const { method, path } of routes) note(method, path)
      return router.addAll(routes)
    }
  }
  return Context.make(HttpRouter.HttpRouter, noting).pipe(
    Context.add(AllowedMethods, { of: (url) => methods.filter((method) => table.find(method, url) !== undefined) })
  )
}))

const methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]
