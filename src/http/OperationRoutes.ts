/**
 * Where clients look how their operations stand: `GET` (as JSON, or as server-sent events of every change until the end)
 * and `DELETE`, which cancels.
 */
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as HttpProblem from "./HttpProblem.ts"
import { Operation, Operations } from "./Operations.ts"

const encoded = (operation: Operation) => Effect.orDie(Schema.encodeEffect(Schema.toCodecJson(Operation))(operation))

const idOf = Effect.map(HttpRouter.params, ({ id }) => id ?? "")

const show = Effect.gen(function*() {
  const operations = yield* Operations
  const { headers } = yield* HttpServerRequest.HttpServerRequest
  const id = yield* idOf
  const operation = yield* operations.find(id)
  if (operation === null) return unknown(id)
  if (!/\btext\/event-stream\b/.test(headers["accept"] ?? "")) {
    const isOver = operation.state !== "running"
    return HttpServerResponse.jsonUnsafe(yield* encoded(operation), isOver ? {} : { headers: { "retry-after": "1" } })
  }
  const states = Stream.mapEffect(
    operations.changes(id),
    (one) => Effect.map(encoded(one), (data) => `event: operation\ndata: ${JSON.stringify(data)}\n\n`)
  )
  const pings = Stream.map(Stream.fromSchedule(Schedule.spaced("15 seconds")), () => "event: ping\ndata: {}\n\n")
  return HttpServerResponse.stream(
    Stream.encodeText(Stream.merge(states, pings, { haltStrategy: "left" })),
    { contentType: "text/event-stream", headers: { "cache-control": "no-store" } }
  )
})

const cancel = Effect.gen(function*() {
  const operations = yield* Operations
  const id = yield* idOf
  const answer = yield* operations.cancel(id)
  if (answer === "unknown") return unknown(id)
  const operation = yield* operations.find(id)
  return answer === "ended"
    ? HttpProblem.response({
      type: "urn:ostinato:operation-ended",
      status: 409,
      title: "The operation has ended",
      detail: `it is ${operation?.state ?? "forgotten"}`
    })
    : HttpServerResponse.jsonUnsafe(operation === null ? { id } : yield* encoded(operation))
})

const unknown = (id: string) =>
  HttpProblem.response({
    type: "urn:ostinato:operation-not-found",
    status: 404,
    title: "There is no such operation",
    detail: `no operation has the id "${id.slice(0, 100)}", or it ended too long ago`
  })

/**
 * The routes, under `/operations` or where else it is said. Provide `Operations` to them as to the routes whose tasks they
 * show, with `HttpRouter.provideRequest`.
 *
 * @category layers
 */
export const layer = (place: `/${string}` = "/operations") =>
  Layer.mergeAll(HttpRouter.add("GET", `${place}/:id`, show), HttpRouter.add("DELETE", `${place}/:id`, cancel))
