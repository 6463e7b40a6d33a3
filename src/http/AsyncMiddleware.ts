/**
 * Code around the handlers of routes that may take its time: it looks first, hands data on, answers in their place, changes
 * what they answer, or makes an answer of their failure.
 *
 *   before --data--> the next one … handler --response--> after --> client
 *      \--a response: nothing behind it runs--------------------------^
 *                     failure --recover--> response ------------------^
 *
 * The outermost begins first and ends last. Each is a span of its own, by its name.
 */
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerResponse from "effect/http/HttpServerResponse"

type Response = HttpServerResponse.HttpServerResponse

/**
 * What answers a request.
 *
 * @category models
 */
export type Answer<E, R> = Effect.Effect<Response, E, R>

/**
 * A middleware. `Provides` is what it gives to all behind it, `Handles` the failures of these that it takes upon itself
 * (`unknown` for all), `E` and `R` are its own.
 *
 * @category models
 */
export interface AsyncMiddleware<Provides, Handles, E, R> {
  readonly name: string
  /** In a `chain` those with a higher one are further out. Defaults to 0. */
  readonly priority: number
  readonly apply: <E1, R1>(answer: Answer<E1, R1>) => Answer<Exclude<E1, Handles> | E, Exclude<R1, Provides> | R>
}

/**
 * A middleware as a function from what is behind it to what it makes of that.
 *
 * @category constructors
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import { HttpServerResponse } from "effect/http"
 * import { AsyncMiddleware } from "ostinato/http"
 *
 * const Stamped = AsyncMiddleware.fromFunction("stamped", (answer) =>
 *   Effect.map(answer, HttpServerResponse.setHeader("x-served-by", "docs")))
 *
 * const answer = Stamped.apply(Effect.succeed(HttpServerResponse.text("hello")))
 * const response = await Effect.runPromise(answer)
 * response.headers["x-served-by"] // => "docs"
 * ```
 */
export const fromFunction = <E = never, R = never>(
  name: string,
  wrap: <E1, R1>(answer: Answer<E1, R1>) => Answer<E1 | E, R1 | R>,
  options?: { readonly priority?: number | undefined }
): AsyncMiddleware<never, never, E, R> => ({
  name,
  priority: options?.priority ?? 0,
  apply: (answer) => spanned(name, wrap(answer))
})

/**
 * A middleware told by its parts, each of which may be left out.
 *
 * @category constructors
 * @example
 * ```ts
 * import { Context, Effect } from "effect"
 * import { HttpServerRequest, HttpServerResponse } from "effect/http"
 * import { AsyncMiddleware } from "ostinato/http"
 *
 * class User extends Context.Service<User, { readonly name: string }>()("docs/User") {}
 *
 * const Authenticated = AsyncMiddleware.make("authenticated", {
 *   provides: User,
 *   before: Effect.map(HttpServerRequest.HttpServerRequest, ({ headers }) =>
 *     headers["x-user"] === undefined
 *       ? HttpServerResponse.empty({ status: 401 })
 *       : { name: headers["x-user"] })
 * })
 *
 * const greeting = Effect.map(User, ({ name }) => HttpServerResponse.text(`hello ${name}`))
 * const answer = Authenticated.apply(greeting)
 * const statusFor = async (headers: Record<string, string>) => {
 *   const request = HttpServerRequest.fromWeb(new Request("http://localhost/", { headers }))
 *   const given = Effect.provideService(answer, HttpServerRequest.HttpServerRequest, request)
 *   return (await Effect.runPromise(given)).status
 * }
 * await statusFor({ "x-user": "ada" }) // => 200
 * await statusFor({}) // => 401
 * ```
 */
export const make = <
  I = never,
  S = never,
  Handles = never,
  EB = never,
  RB = never,
  EA = never,
  RA = never,
  ER = never,
  RR = never
>(
  name: string,
  parts: {
    /** In a `chain` those with a higher one are further out. Defaults to 0. */
    readonly priority?: number | undefined
    /** The service that `before` gives to all behind it. */
    readonly provides?: Context.Key<I, S> | undefined
    /** Runs first. A response answers the request: nothing behind runs. Anything else is what it `provides`. */
    readonly before?: Effect.Effect<S | Response | void, EB, RB> | undefined
    /** Makes another answer of that which comes from behind. */
    readonly after?: ((response: Response) => Effect.Effect<Response, EA, RA>) | undefined
    /** Makes an answer of any typed failure from behind. Defects and interruption pass. */
    readonly recover?: ((error: Handles) => Effect.Effect<Response, ER, RR>) | undefined
  }
): AsyncMiddleware<I, unknown extends Handles ? unknown : Handles, EB | EA | ER, RB | RA | RR> => {
  const { after, before, priority, provides, recover } = parts
  type Own = AsyncMiddleware<I, unknown extends Handles ? unknown : Handles, EB | EA | ER, RB | RA | RR>
  const apply = (answer: Answer<unknown, unknown>): Answer<unknown, unknown> => {
    const recovered: Answer<unknown, unknown> = recover === undefined
      ? answer
      // what is behind fails with what this says that it handles
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- as said
      : Effect.catch(answer, (error) => recover(error as Handles))
    const changed = after === undefined ? recovered : Effect.flatMap(recovered, after)
    if (before === undefined) return spanned(name, changed)
    return spanned(
      name,
      Effect.flatMap(before, (given): Answer<unknown, unknown> => {
        if (HttpServerResponse.isHttpServerResponse(given)) return Effect.succeed(given)
        if (provides === undefined) return changed
        // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what is no response is the service
        return Effect.provideService(changed, provides, given as S)
      })
    )
  }
  // the types of an answer follow from those of its parts, which the code above does not name one by one
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- as said
  return { name, priority: priority ?? 0, apply: apply as Own["apply"] }
}

/**
 * Puts middlewares around each other: by priority, and of the same priority in the order in which they are named, the first
 * outermost. None of them may need what another provides, nor handle failures: apply such ones one after the other.
 *
 * @category combinators
 */
export const chain = <const M extends ReadonlyArray<AnyOf>>(
  ...middlewares: M
): AsyncMiddleware<ProvidedBy<M[number]>, never, ErrorOf<M[number]>, NeededBy<M[number]>> => {
  const inward = middlewares.toSorted((one, other) => other.priority - one.priority)
  const apply = (answer: Answer<unknown, unknown>): Answer<unknown, unknown> =>
    inward.reduceRight<Answer<unknown, unknown>>((inner, { apply }) => apply(inner), answer)
  type Own = AsyncMiddleware<ProvidedBy<M[number]>, never, ErrorOf<M[number]>, NeededBy<M[number]>>
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- its types are the sums of those of its parts
  return { name: inward.map(({ name }) => name).join(" > "), priority: 0, apply: apply as Own["apply"] }
}

/**
 * A middleware for the routes of a router: provide its `layer` to them, or `combine` it with others first.
 *
 * @category conversions
 */
export const forRouter = <Provides, E, R>(middleware: AsyncMiddleware<Provides, never, E, R>) =>
  HttpRouter.middleware<{ provides: Provides }>()(middleware.apply)

// each is its own type, of which only what follows is used
// oxlint-disable-next-line typescript/no-explicit-any -- as said
type AnyOf = AsyncMiddleware<any, never, any, any>
type ProvidedBy<M> = M extends AsyncMiddleware<infer P, never, infer _E, infer _R> ? P : never
type ErrorOf<M> = M extends AsyncMiddleware<infer _P, never, infer E, infer _R> ? E : never
type NeededBy<M> = M extends AsyncMiddleware<infer _P, never, infer _E, infer R> ? R : never

const spanned = <E, R>(name: string, answer: Answer<E, R>): Answer<E, R> =>
  Effect.withSpan(answer, `http.middleware ${name}`)
