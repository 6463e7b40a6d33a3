/**
 * The code behind the endpoints of requests.
 */
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import { RequestRegistry } from "../http/RequestRegistry.ts"
import { AdminApi } from "./AdminApi.ts"
import { RequestEnded, RequestUnknown } from "./RequestsApi.ts"

/**
 * @category layers
 */
export const layer = HttpApiBuilder.group(
  AdminApi,
  "requests",
  Effect.fn(function*(handlers) {
    const registry = yield* RequestRegistry
    const found = (id: string) =>
      Effect.flatMap(
        registry.find(id),
        (request) =>
          request === null
            ? Effect.fail(new RequestUnknown({ detail: `no request has the id "${id}"` }))
            : Effect.succeed(request)
      )
    return handlers.handleAll({
      list: () => Effect.map(registry.list, (items) => ({ items })),
      get: ({ params: { id } }) => found(id),
      cancel: ({ params: { id } }) =>
        Effect.gen(function*() {
          const answer = yield* registry.cancel(id, { reason: "an operator cancelled it" })
          const request = yield* found(id)
          return answer === "cancelled"
            ? request
            : yield* new RequestEnded({ detail: `it is ${request.state}: there is nothing to cancel` })
        })
    })
  })
)
