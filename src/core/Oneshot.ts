/**
 * One answer to one question.
 *
 * The sender holds it in its scope: a sender that ends without an answer is told to whoever waits, who also may set a
 * limit. The first answer counts; a later one changes nothing.
 */
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"

/**
 * The sender ended without an answer.
 *
 * @category errors
 */
export class SenderGone extends Schema.TaggedError<SenderGone>()("SenderGone", { oneshot: Schema.String }) {
  override get message() {
    return `${this.oneshot} got no answer: its sender has ended`
  }
}

/**
 * No answer came in time. The sender may still be at work.
 *
 * @category errors
 */
export class NoAnswer extends Schema.TaggedError<NoAnswer>()("NoAnswer", {
  oneshot: Schema.String,
  withinMs: Schema.Finite
}) {
  override get message() {
    return `${this.oneshot} got no answer within ${this.withinMs} ms`
  }
}

/**
 * A place for one answer, and for those who wait for it.
 *
 * @category models
 */
export interface Oneshot<A, E> {
  /** `false`: there was an answer already. */
  readonly succeed: (answer: A) => Effect.Effect<boolean>
  readonly fail: (error: E) => Effect.Effect<boolean>
  readonly await: Effect.Effect<A, E | SenderGone>
  readonly awaitWithin: (limit: Duration.Input) => Effect.Effect<A, E | SenderGone | NoAnswer>
}

/**
 * Makes a oneshot whose sender is the current scope.
 *
 * @category constructors
 */
export const make = <A, E = never>(name: string): Effect.Effect<Oneshot<A, E>, never, Scope.Scope> =>
  Effect.gen(function*() {
    const answer = yield* Effect.acquireRelease(
      Deferred.make<A, E | SenderGone>(),
      (answer) => Deferred.fail(answer, new SenderGone({ oneshot: name }))
    )
    return {
      succeed: (value) => Deferred.succeed(answer, value),
      fail: (error) => Deferred.fail(answer, error),
      await: Deferred.await(answer),
      awaitWithin: (limit) =>
        Effect.timeoutOrElse(Deferred.await(answer), {
          duration: limit,
          orElse: () =>
            Effect.fail(new NoAnswer({ oneshot: name, withinMs: Duration.toMillis(Duration.fromInputUnsafe(limit)) }))
        })
    }
  })
