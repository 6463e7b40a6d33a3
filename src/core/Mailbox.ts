/**
 * A bounded line between those who send and those who take: first in, first out, each message to one taker.
 *
 * What happens to a message for which there is no room is declared, never silent. After `close`, what is in the line is
 * still taken; then every take ends with `MailboxClosed`, as does every later offer. There is no unbounded line.
 */
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as Schema from "effect/Schema"

/**
 * The line is full, and its policy is not to wait.
 *
 * @category errors
 */
export class MailboxFull extends Schema.TaggedError<MailboxFull>()("MailboxFull", {
  mailbox: Schema.String,
  capacity: Schema.Int
}) {
  override get message() {
    return `mailbox ${this.mailbox} is full with ${this.capacity} messages: send slower, or give it more room`
  }
}

/**
 * Nobody sends or takes here any more.
 *
 * @category errors
 */
export class MailboxClosed extends Schema.TaggedError<MailboxClosed>()("MailboxClosed", { mailbox: Schema.String }) {
  override get message() {
    return `mailbox ${this.mailbox} is closed`
  }
}

/**
 * A bounded line of messages.
 *
 * @category models
 */
export interface Mailbox<A> {
  /** Waits, fails or drops the oldest where there is no room, as `onFull` says. */
  readonly offer: (message: A) => Effect.Effect<void, MailboxFull | MailboxClosed>
  readonly take: Effect.Effect<A, MailboxClosed>
  readonly close: Effect.Effect<void>
  readonly size: Effect.Effect<number>
  /** Messages that gave way to newer ones. */
  readonly dropped: Effect.Effect<number>
}

/**
 * Makes a mailbox.
 *
 * @category constructors
 * @example
 * ```ts
 * import { Effect } from "effect"
 * import { Mailbox } from "ostinato"
 *
 * const program = Effect.gen(function*() {
 *   const mailbox = yield* Mailbox.make<string>({ name: "docs", capacity: 2, onFull: "dropOldest" })
 *   for (const message of ["a", "b", "c"]) yield* mailbox.offer(message)
 *   return [yield* mailbox.take, yield* mailbox.take, yield* mailbox.dropped]
 * })
 *
 * await Effect.runPromise(program) // => ["b", "c", 1]
 * ```
 */
export const make = <A>(options: {
  /** For errors. */
  readonly name: string
  /** Most messages that wait, at least 1. */
  readonly capacity: number
  /** Defaults to `wait`. */
  readonly onFull?: "wait" | "fail" | "dropOldest" | undefined
}): Effect.Effect<Mailbox<A>> =>
  Effect.gen(function*() {
    const { name, onFull = "wait" } = options
    const capacity = Math.max(1, options.capacity)
    const strategy = { wait: "suspend", fail: "dropping", dropOldest: "sliding" } as const
    const queue = yield* Queue.make<A, MailboxClosed>({ capacity, strategy: strategy[onFull] })
    const closed = new MailboxClosed({ mailbox: name })
    let dropped = 0
    return {
      offer: (message) =>
        Effect.suspend(() => {
          if (onFull === "dropOldest" && queue.state._tag === "Open" && Queue.isFullUnsafe(queue)) dropped += 1
          return Effect.flatMap(Queue.offer(queue, message), (accepted) =>
            accepted
              ? Effect.void
              : Effect.fail(queue.state._tag === "Open" ? new MailboxFull({ mailbox: name, capacity }) : closed))
        }),
      take: Queue.take(queue),
      close: Effect.asVoid(Queue.fail(queue, closed)),
      size: Queue.size(queue),
      dropped: Effect.sync(() => dropped)
    }
  })
