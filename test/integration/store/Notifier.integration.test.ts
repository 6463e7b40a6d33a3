/** Wake-ups over a real server: after commit, in bursts, without `LISTEN`, and when connections die. */
// @effect-diagnostics strictEffectProvide:off -- a notifier is built anew for each node of a test
import * as PgClient from "@effect/sql-pg/PgClient"
import { assert, layer } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import * as Reactivity from "effect/reactivity/Reactivity"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as SqlClient from "effect/sql/SqlClient"
import * as Stream from "effect/Stream"
import * as Supervisor from "ostinato/core/Supervisor"
import { Database } from "ostinato/store/Database"
import { Notifier, type NotifierOptions } from "ostinato/store/Notifier"
import * as TestDatabase from "../../contract/TestDatabase.ts"

/** A process of its own on the same database, with its own connections. */
const node = (name: string, options?: NotifierOptions) =>
  Effect.gen(function*() {
    const { url } = yield* Database
    const database = Database.layer({ url, directory: "/nonexistent", node: name })
    return yield* Layer.build(
      Notifier.layer(options).pipe(Layer.provideMerge(Layer.merge(database, Supervisor.layer)))
    )
  })

const on = <R>(services: Context.Context<R>) => <A, E>(work: Effect.Effect<A, E, R | Scope.Scope>) =>
  Effect.provideContext(work, services)

/** The wake-ups of a channel, one at a time; polling would come too late for any test. */
const wakes = Effect.fnUntraced(function*(channel: string) {
  const notifier = yield* Notifier
  const queue = yield* Queue.bounded<number>(1000)
  let count = 0
  yield* Effect.forkScoped(
    Stream.runForEach(
      notifier.listen(channel, { poll: "1 hour" }),
      () => Queue.offer(queue, ++count)
    ),
    { startImmediately: true }
  )
  return queue
})

const until = <E, R>(condition: Effect.Effect<boolean, E, R>) =>
  Effect.repeat(condition, { until: (met) => met, schedule: Schedule.spaced("5 millis") })

const settled = (wanted: "connecting" | "listening" | "polling") =>
  Effect.flatMap(Notifier, (notifier) => until(Effect.map(notifier.state, (state) => state === wanted)))

const notify = (channel: string) => Effect.flatMap(Notifier, (notifier) => notifier.notify(channel))

/** What is sent over the wire, as any other client hears it. */
const overheard = Effect.gen(function*() {
  const { connection } = yield* Database
  const client = yield* Effect.provideServiceEffect(
    PgClient.makeClient({ ...connection("heartbeat"), applicationName: "overhearing" }),
    Reactivity.Reactivity,
    Reactivity.make
  )
  return yield* client.listen("ostinato")
})

const listenerPids = (name: string) =>
  Effect.flatMap(SqlClient.SqlClient, (sql) =>
    Effect.map(
      sql<{ pid: number }>`SELECT pid FROM pg_stat_activity WHERE application_name = ${`ostinato:listener:${name}`}`,
      (rows) => rows.map(({ pid }) => pid)
    ))

layer(TestDatabase.layer(), { excludeTestServices: true, timeout: 60_000 })("Notifier", (it) => {
  it.effect("S1.23 a listener scans at once, when another node notifies, and again when its poll is due", () =>
    Effect.gen(function*() {
      const [here, there] = [yield* node("wakes-a"), yield* node("wakes-b")]
      yield* on(here)(settled("listening"))
      const queue = yield* on(here)(wakes("jobs"))
      const other = yield* on(here)(wakes("others"))
      assert.strictEqual(yield* Queue.take(queue), 1)
      assert.strictEqual(yield* Queue.take(other), 1)
      yield* on(there)(notify("jobs"))
      assert.strictEqual(yield* Queue.take(queue), 2)
      const notifier = Context.get(here, Notifier)
      const polled = yield* Stream.runCollect(Stream.take(notifier.listen("quiet", { poll: "1 milli" }), 3))
      assert.strictEqual(polled.length, 3)
      assert.strictEqual(yield* Queue.size(other), 0, "a channel hears its own notifications only")
    }))

  it.effect("a notification is sent when the transaction around it commits, and never when it rolls back", () =>
    Effect.gen(function*() {
      const [here, there] = [yield* node("commit-a"), yield* node("commit-b")]
      yield* on(here)(settled("listening"))
      const sent = yield* overheard
      const queue = yield* on(here)(wakes("ledger"))
      yield* Queue.take(queue)
      yield* on(there)(Effect.gen(function*() {
        const sql = yield* SqlClient.SqlClient
        yield* Effect.exit(Database.transaction(Effect.andThen(notify("ledger"), Effect.fail("rolled back"))))
        yield* sql`CREATE TABLE ledger (n int)`
        yield* Database.transaction(Effect.gen(function*() {
          yield* notify("ledger")
          assert.strictEqual(yield* Queue.size(queue), 0)
          yield* sql`INSERT INTO ledger VALUES (1)`
        }))
      }))
      yield* Queue.take(queue)
      const rows = yield* Effect.flatMap(SqlClient.SqlClient, (sql) => sql`SELECT n FROM ledger`)
      assert.strictEqual(rows.length, 1, "whoever is woken finds the row")
      const heard = (yield* Queue.takeAll(sent)).filter(({ payload }) => payload.startsWith("ledger"))
      assert.strictEqual(heard.length, 1)
    }))

  it.effect("five hundred notifications in one burst cross the wire as a few, and wake no more often", () =>
    Effect.gen(function*() {
      const [here, there] = [yield* node("burst-a"), yield* node("burst-b")]
      yield* on(here)(settled("listening"))
      const queue = yield* on(here)(wakes("burst"))
      yield* Queue.take(queue)
      const sent = yield* overheard
      yield* on(there)(Effect.forEach(Array.from({ length: 500 }), () => notify("burst"), { discard: true }))
      yield* Queue.take(queue)
      yield* on(there)(notify("end"))
      const heard: Array<string> = []
      yield* Queue.take(sent).pipe(
        Effect.map(({ payload }) => payload.split("\n")[0] ?? ""),
        Effect.tap((channel) => Effect.sync(() => void heard.push(channel))),
        Effect.repeat({ until: (channel) => channel === "end" })
      )
      assert.isBelow(heard.filter((channel) => channel === "burst").length, 50)
      assert.isBelow(yield* Queue.size(queue), 50)
    }))

  it.effect("a statement of the house may notify by itself, on the carrier", () =>
    Effect.gen(function*() {
      const here = yield* node("carrier")
      yield* on(here)(settled("listening"))
      const queue = yield* on(here)(wakes("by-statement"))
      yield* Queue.take(queue)
      const { carrier } = Context.get(here, Notifier)
      yield* Effect.flatMap(SqlClient.SqlClient, (sql) => sql`SELECT pg_notify(${carrier}, 'by-statement')`)
      yield* Queue.take(queue)
    }))

  it.effect("S1.23 a listener whose backend is killed hears again by itself, and scans for what it missed", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const [here, there] = [yield* node("killed"), yield* node("killed-other")]
      yield* on(here)(settled("listening"))
      const queue = yield* on(here)(wakes("killed"))
      yield* Queue.take(queue)
      const [pid] = yield* listenerPids("killed")
      assert.isDefined(pid)
      yield* sql`SELECT pg_terminate_backend(${pid})`
      yield* Queue.take(queue)
      yield* on(here)(settled("listening"))
      const again = yield* listenerPids("killed")
      assert.strictEqual(again.length, 1)
      assert.notStrictEqual(again[0], pid)
      yield* on(there)(notify("killed"))
      yield* Queue.take(queue)
    }))

  it.effect("where LISTEN delivers nothing, everybody polls, and this process is woken at once all the same", () =>
    Effect.gen(function*() {
      const database = yield* Database
      // notifications stay within one database: a listener in another one is as deaf as behind a pooler
      const url = new URL(Redacted.value(database.url))
      url.pathname = "/postgres"
      const deaf = Database.of({
        ...database,
        connection: (role) => ({ ...database.connection(role), url: Redacted.make(url.href) })
      })
      const services = yield* Layer.build(
        Notifier.layer({ patience: "50 millis" }).pipe(
          Layer.provideMerge(Layer.merge(Layer.succeed(Database, deaf), Supervisor.layer))
        )
      )
      yield* on(services)(settled("polling"))
      const queue = yield* on(services)(wakes("jobs"))
      yield* Queue.take(queue)
      yield* on(services)(notify("jobs"))
      yield* Queue.take(queue)
      const polled = yield* Stream.runCollect(
        Stream.take(Context.get(services, Notifier).listen("jobs", { poll: "1 milli" }), 3)
      )
      assert.strictEqual(polled.length, 3)
    }))

  it.effect("a connection that goes deaf without a word is noticed by its heartbeat, and replaced", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const here = yield* node("hole", { patience: "50 millis", heartbeat: "20 millis" })
      yield* on(here)(settled("listening"))
      const [pid] = yield* listenerPids("hole")
      assert.isDefined(pid)
      const queue = yield* on(here)(wakes("hole"))
      yield* Queue.take(queue)
      // a backend that is stopped is what a network that swallows packets looks like
      process.kill(pid, "SIGSTOP")
      yield* Effect.ensuring(
        Effect.andThen(
          Queue.take(queue),
          until(Effect.map(listenerPids("hole"), (pids) => pids.some((other) => other !== pid)))
        ),
        Effect.sync(() => process.kill(pid, "SIGCONT"))
      )
      assert.isAbove((yield* sql`SELECT 1`).length, 0)
    }))
})
