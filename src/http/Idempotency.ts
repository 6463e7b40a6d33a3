/**
 * Requests that may be sent twice and are worked on once (`Idempotency-Key`, draft-ietf-httpapi-idempotency-key-header-07).
 *
 *   new --> running --answered--> kept: the same request gets the same answer again, for a while
 *              \--failed (5xx), ended from outside, streamed--> forgotten: it may be tried again
 *
 * The same key while the first is running: 409. The same key with another request: 422. No key where one is required: 400.
 * Keys live in this process: they do not survive it, and another node does not know them. Answers are kept whole: `most` of
 * them are what bounds the memory.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import { createHash } from "node:crypto"
import type { ActiveRequest } from "./ActiveRequest.ts"
import * as HttpProblem from "./HttpProblem.ts"
import { currentExchange } from "./internal/exchangeOf.ts"

/**
 * Keys that routes share, each of which it is applied to.
 *
 * @category models
 */
export interface Idempotency {
  /** Reads the body, so that the same key with another one is noticed. */
  readonly apply: <E, R>(answer: Effect.Effect<HttpServerResponse.HttpServerResponse, E, R>) => Effect.Effect<
    HttpServerResponse.HttpServerResponse,
    E,
    R | ActiveRequest | HttpServerRequest.HttpServerRequest
  >
  /** How many keys are known. */
  readonly size: Effect.Effect<number>
}

/**
 * @category constructors
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import { HttpRouter, HttpServerResponse } from "effect/http"
 * import { Idempotency } from "ostinato/http"
 *
 * const once = Idempotency.make({ required: true, keep: "1 hour" })
 * const order = Effect.succeed(HttpServerResponse.text("ordered", { status: 201 }))
 *
 * const Route = HttpRouter.add("POST", "/orders", order.pipe(once.apply))
 * ```
 */
export const make = (options?: {
  /** Refuses requests without a key. Defaults to `false`. */
  readonly required?: boolean | undefined
  /** How long an answer is kept. Defaults to `24 hours`. */
  readonly keep?: Duration.Input | undefined
  /** How many keys are kept at most; the oldest answer is forgotten. Defaults to 10,000. */
  readonly most?: number | undefined
  /** In whose name a key counts, so that nobody gets the answer of another. Defaults to everybody's. */
  readonly owner?: Effect.Effect<string> | undefined
}): Idempotency => {
  const keep = Duration.toMillis(Duration.fromInputUnsafe(options?.keep ?? "24 hours"))
  const most = options?.most ?? 10_000
  const known = new Map<string, Known>()

  const tidy = (now: number) => {
    for (const [key, one] of known) {
      if (one.answer === undefined) continue
      if (known.size <= most && one.until > now) break
      known.delete(key)
    }
  }
  // an answer counts from its end, and is the newest then
  const keepAnswer = (key: string, one: Known, now: number) => {
    known.delete(key)
    known.set(key, { ...one, until: now + keep })
    tidy(now)
  }

  const apply: Idempotency["apply"] = (answer) =>
    Effect.gen(function*() {
      const request = yield* HttpServerRequest.HttpServerRequest
      const active = yield* currentExchange
      const given = request.headers["idempotency-key"]
      if (given === undefined) return options?.required === true ? missing : yield* answer
      if (!isKey(given)) return malformed
      const body = yield* Effect.orElseSucceed(request.text, () => "")
      const owner = options?.owner === undefined ? "" : yield* options.owner
      // none of the first three can hold a line break
      const key = [request.method, active.route, given, owner].join("\n")
      const print = createHash("sha256").update(`${request.url}\n${body}`).digest("base64url")
      const clock = yield* Clock.Clock
      tidy(clock.currentTimeMillisUnsafe())
      const before = known.get(key)
      if (before !== undefined) {
        if (before.print !== print) return reused
        return before.answer === undefined
          ? running
          : HttpServerResponse.setHeader(before.answer, "idempotency-replayed", "true")
      }
      const one: Known = { print, answer: undefined, until: Number.POSITIVE_INFINITY }
      known.set(key, one)
      active.onEnd(() => {
        const { answered } = active
        if (answered === undefined) known.delete(key)
        else keepAnswer(key, { ...one, answer: answered }, clock.currentTimeMillisUnsafe())
      })
      return yield* answer
    })
  return { apply, size: Effect.sync(() => known.size) }
}

interface Known {
  /** Of the request: its address and body. */
  readonly print: string
  /** Undefined while it is worked on. */
  readonly answer: HttpServerResponse.HttpServerResponse | undefined
  readonly until: number
}

/** A string of the header's grammar, or bare: 1 to 255 printable characters. */
const isKey = (given: string) => /^[\x21-\x7e]{1,255}$/.test(given)

const problem = (type: string, status: number, title: string, detail: string, retryAfter?: number) =>
  HttpProblem.response({ type: `urn:ostinato:idempotency-key-${type}`, status, title, detail, retryAfter })

const missing = problem(
  "missing",
  400,
  "An Idempotency-Key is required",
  "send the header with a key of your own, a UUID, say"
)
const malformed = problem(
  "malformed",
  400,
  "The Idempotency-Key cannot be read",
  "a key has 1 to 255 printable ASCII characters without spaces"
)
const reused = problem(
  "reused",
  422,
  "The Idempotency-Key was used for another request",
  "send each request with a key of its own, and the same one only to try the same request again"
)
const running = problem("running", 409, "A request with this Idempotency-Key is being worked on", "ask again later", 1)
