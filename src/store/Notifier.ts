/**
 * Wakes whoever waits for rows, on every node: "scan now", never what was found. The rows are the truth.
 *
 *   connecting --LISTEN confirmed, a message to itself arrived--> listening
 *   listening --the connection ended, or a message to itself did not arrive--> connecting
 *   connecting --confirmed, but no message to itself arrives--> polling (asked anew each minute)
 *
 * **Guarantee.** A listener is told to scan at once when it begins, after each (re)subscription, after a burst of
 * notifications, and at the latest after its poll interval, whatever happens to the database, to the connection or to
 * `LISTEN` (a pooler swallows it without an error). A notification is sent after the commit of the transaction around
 * it and never holds that up; one of a transaction that rolled back is not sent. A crash in between may lose it: the
 * poll finds the row. A process sends one at once, and what comes meanwhile after a pause of 2 ms, which grows to 10 ms
 * while notifications go on coming: at most one statement each 10 ms then, however many they are.
 */
import * as PgClient from "@effect/sql-pg/PgClient"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import * as Reactivity from "effect/reactivity/Reactivity"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type { SqlError } from "effect/sql/SqlError"
import * as Stream from "effect/Stream"
import { randomUUID } from "node:crypto"
import * as Sleeper from "../core/Sleeper.ts"
import { Supervisor } from "../core/Supervisor.ts"
import { ControlSql } from "./ControlSql.ts"
import { Database } from "./Database.ts"
import { DatabaseSchema } from "./DatabaseSchema.ts"
import * as BoundedScope from "./internal/BoundedScope.ts"
import * as Coalescer from "./internal/Coalescer.ts"

/**
 * A message that the process sent to itself did not arrive: the connection is dead, though nothing says so.
 *
 * @category errors
 */
export class ListenerDeaf extends Schema.TaggedError<ListenerDeaf>()("ListenerDeaf", { channel: Schema.String }) {
  override get message() {
    return `notifications on ${this.channel} do not arrive any more: listening anew`
  }
}

/**
 * @category models
 */
export interface NotifierOptions {
  /** How long a message to itself may take until the connection counts as deaf. Defaults to `2 seconds`. */
  readonly patience?: Duration.Input | undefined
  /** Time between two messages to itself. Defaults to `10 seconds`. */
  readonly heartbeat?: Duration.Input | undefined
}

/**
 * @category services
 */
export class Notifier extends Context.Service<Notifier, {
  /**
   * Elements mean "scan now". They do not queue up: what comes while the consumer scans is one element. `poll` defaults
   * to `1 second`, and `deaf`, which is the interval while notifications do not arrive, to `poll`.
   */
  readonly listen: (
    channel: string,
    options?: { readonly poll?: Duration.Input | undefined; readonly deaf?: Duration.Input | undefined }
  ) => Stream.Stream<void>
  /**
   * Wakes the listeners of a channel on every node, once the transaction around it has committed, or at once where there
   * is none. Call it beside the statement that writes the row, never from a fiber that may outlive the transaction.
   */
  readonly notify: (channel: string) => Effect.Effect<void>
  /**
   * The channel of Postgres that carries all of ours, for a statement of the house that notifies by itself:
   * `pg_notify(<this>, <channel>)`. It is the name of the schema.
   */
  readonly carrier: string
  /** Whether notifications arrive from other nodes, or everybody relies on polling. */
  readonly state: Effect.Effect<"connecting" | "listening" | "polling">
}>()("ostinato/store/Notifier") {
  static readonly layer = (
    options?: NotifierOptions
  ): Layer.Layer<Notifier, never, Database | ControlSql | PgClient.PgClient | Supervisor> =>
    Layer.effect(Notifier, make(options ?? {}))
}

/** Milliseconds between two statements that notify. */
const pause: Coalescer.Pause = { shortest: 2, longest: 10 }

const make = Effect.fnUntraced(function*(options: NotifierOptions) {
  const user = yield* PgClient.PgClient
  const control = yield* ControlSql
  const database = yield* Database
  const supervisor = yield* Supervisor
  const carrier = yield* DatabaseSchema
  const outgoing = yield* Coalescer.make
  const heard = yield* Sleeper.make
  const listeners = new Map<string, Set<Sleeper.Sleeper>>()
  // sets our own messages apart: their listeners in this process have been woken already
  const self = randomUUID()
  const patience = options.patience ?? "2 seconds"
  let state: "connecting" | "listening" | "polling" = "connecting"

  const wake = (channel: string) =>
    Effect.forEach(listeners.get(channel) ?? [], (sleeper) => sleeper.wake, { discard: true })
  const wakeAll = Effect.suspend(() => Effect.forEach(Array.from(listeners.keys()), wake, { discard: true }))
  // a crash loses it in any case, so its commit, which those of all notifications wait for, need not wait for the disk
  const send = (payloads: ReadonlyArray<string>) =>
    Effect.asVoid(control`
      SELECT set_config('synchronous_commit', 'off', true), pg_notify(${carrier}, payload)
      FROM unnest(${payloads}::text[]) AS payload`)
  const flush = outgoing.run((channels) => send(channels.map((channel) => `${channel}\n${self}`)), pause)

  const arrived = (payloads: Iterable<string>) =>
    Effect.suspend(() => {
      const channels = new Set<string>()
      let own = false
      for (const payload of payloads) {
        const [channel = "", origin] = payload.split("\n")
        if (origin !== self) channels.add(channel)
        else own ||= channel === ""
      }
      return Effect.andThen(Effect.forEach(channels, wake, { discard: true }), own ? heard.wake : Effect.void)
    })
  const hears = Effect.andThen(send([`\n${self}`]), Effect.map(heard.sleep(patience), (end) => end === "woken"))
  const staysAlive = hears.pipe(
    Effect.flatMap((alive) => alive ? Effect.void : Effect.fail(new ListenerDeaf({ channel: carrier }))),
    Effect.delay(options.heartbeat ?? "10 seconds"),
    Effect.forever
  )
  const polling = Effect.gen(function*() {
    if (state !== "polling") {
      yield* Effect.logWarning(
        `notifications do not arrive on this connection to ${database.describe} (a connection pooler?): ` +
          "waiting work is found by polling"
      )
    }
    state = "polling"
    yield* Effect.sleep("1 minute")
  })
  const subscribe = Effect.flatMap(
    PgClient.makeClient(database.connection("listener")),
    (client) => client.listen(carrier)
  ).pipe(Effect.provideServiceEffect(Reactivity.Reactivity, Reactivity.make))
  const subscription: Effect.Effect<void, SqlError | ListenerDeaf, Scope.Scope> = Effect.gen(function*() {
    const incoming = yield* BoundedScope.provide("500 millis")(subscribe)
    const read = Effect.forever(
      Effect.flatMap(Queue.takeAll(incoming), (all) => arrived(all.map(({ payload }) => payload)))
    )
    const watch = Effect.gen(function*() {
      if (!(yield* hears)) return yield* polling
      state = "listening"
      // what was committed while nobody heard
      yield* wakeAll
      return yield* staysAlive
    })
    yield* Effect.raceFirst(read, watch)
  })
  const listening = Effect.scoped(subscription).pipe(
    // whoever sleeps for long does not know yet
    Effect.onError(() => Effect.andThen(Effect.sync(() => void (state = "connecting")), wakeAll)),
    Effect.forever,
    Effect.withTracerEnabled(false)
  )
  yield* supervisor.start("notifications in", listening)
  yield* supervisor.start("notifications out", Effect.withTracerEnabled(flush, false))

  return Notifier.of({
    carrier,
    state: Effect.sync(() => state),
    notify: (channel) =>
      user.afterCommit(Effect.suspend(() => {
        outgoing.mark(channel)
        return wake(channel)
      })),
    listen: (channel, listenOptions) =>
      Stream.unwrap(Effect.gen(function*() {
        const sleeper = yield* Sleeper.make
        const all = listeners.get(channel) ?? new Set()
        yield* Effect.acquireRelease(
          Effect.sync(() => listeners.set(channel, all.add(sleeper))),
          () => Effect.sync(() => all.delete(sleeper) && all.size === 0 && listeners.delete(channel))
        )
        yield* sleeper.wake
        const poll = listenOptions?.poll ?? "1 second"
        const deaf = listenOptions?.deaf ?? poll
        return Stream.fromEffectRepeat(
          Effect.suspend(() => Effect.asVoid(sleeper.sleep(state === "listening" ? poll : deaf)))
        )
      }))
  })
})
