/**
 * Every message to everybody who listens at that moment.
 *
 * Each listener has a bounded line of its own: a slow one loses its oldest messages, is told how many, and holds up
 * nobody. After `close`, what is in a line is still taken; then every take ends with `BroadcastClosed`.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Queue from "effect/Queue"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"

/**
 * Nobody publishes or listens here any more. What was in the line of a listener has been taken by then.
 *
 * @category errors
 */
export class BroadcastClosed extends Schema.TaggedError<BroadcastClosed>()("BroadcastClosed", {
  broadcast: Schema.String
}) {
  override get message() {
    return `broadcast ${this.broadcast} is closed`
  }
}

/**
 * Nobody listened in time.
 *
 * @category errors
 */
export class Unheard extends Schema.TaggedError<Unheard>()("Unheard", {
  broadcast: Schema.String,
  /** How long it was waited for a listener. */
  withinMs: Schema.Finite
}) {
  override get message() {
    return `nobody listened to broadcast ${this.broadcast} within ${this.withinMs} ms`
  }
}

/**
 * What a listener gets: a message, and how many it lost just before it.
 *
 * @category models
 */
export interface Heard<out A> {
  readonly message: A
  readonly lost: number
}

/**
 * A line to everybody who listens, bounded for each.
 *
 * @category models
 */
export interface Broadcast<A> {
  /** Tells everybody who listens now. Gives how many those are. */
  readonly publish: (message: A) => Effect.Effect<number, BroadcastClosed>
  /** Waits for a listener first, and fails where none comes in time. */
  readonly publishHeard: (message: A, within: Duration.Input) => Effect.Effect<number, BroadcastClosed | Unheard>
  /** Listens until the scope closes. Each run of the effect inside takes the next message. */
  readonly subscribe: Effect.Effect<Effect.Effect<Heard<A>, BroadcastClosed>, never, Scope.Scope>
  readonly close: Effect.Effect<void>
}

/**
 * Makes a broadcast.
 *
 * @category constructors
 */
export const make = <A>(options: {
  /** For errors. */
  readonly name: string
  /** Messages that a listener may be behind. Defaults to `256`. */
  readonly capacity?: number | undefined
}): Effect.Effect<Broadcast<A>> =>
  Effect.gen(function*() {
    const listeners = new Set<Listener<A>>()
    const listened = yield* Latch.make()
    const closed = new BroadcastClosed({ broadcast: options.name })
    const capacity = Math.max(1, options.capacity ?? 256)
    let open = true

    const publish = (message: A) =>
      Effect.suspend(() => {
        if (!open) return Effect.fail(closed)
        for (const listener of listeners) {
          if (Queue.isFullUnsafe(listener.queue)) listener.lost += 1
          Queue.offerUnsafe(listener.queue, message)
        }
        return Effect.succeed(listeners.size)
      })

    const subscribe = Effect.acquireRelease(
      Effect.gen(function*() {
        const queue = yield* Queue.sliding<A, BroadcastClosed>(capacity)
        if (!open) yield* Queue.fail(queue, closed)
        const listener = { queue, lost: 0 }
        listeners.add(listener)
        yield* listened.open
        return listener
      }),
      (listener) =>
        Effect.suspend(() => {
          listeners.delete(listener)
          return Effect.andThen(
            Queue.fail(listener.queue, closed),
            listeners.size === 0 && open ? listened.close : Effect.void
          )
        })
    )

    return {
      publish,
      publishHeard: (message, within) =>
        Effect.timeoutOrElse(listened.await, {
          duration: within,
          orElse: () =>
            Effect.fail(
              new Unheard({ broadcast: options.name, withinMs: Duration.toMillis(Duration.fromInputUnsafe(within)) })
            )
        }).pipe(Effect.andThen(publish(message))),
      subscribe: Effect.map(subscribe, (listener) =>
        Effect.map(Queue.take(listener.queue), (message) => {
          const { lost } = listener
          listener.lost = 0
          return { message, lost }
        })),
      close: Effect.suspend(() => {
        open = false
        return Effect.andThen(
          listened.open,
          Effect.forEach(listeners, ({ queue }) => Queue.fail(queue, closed), { discard: true })
        )
      })
    }
  })

interface Listener<A> {
  readonly queue: Queue.Queue<A, BroadcastClosed>
  /** Since its last take. */
  lost: number
}
