/** One of many: who holds a lease, for how long, and how a holder learns that it is over. */
import { assert, layer } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as SqlClient from "effect/sql/SqlClient"
import { ControlSql } from "ostinato/store/ControlSql"
import { Database } from "ostinato/store/Database"
import * as Lease from "ostinato/store/Lease"
import * as TestDatabase from "../../contract/TestDatabase.ts"

/** Another process with connections of its own. */
const node = (name: string) =>
  Effect.gen(function*() {
    const { url } = yield* Database
    const services = yield* Layer.build(
      Lease.Lease.layer().pipe(Layer.provide(Database.layer({ url, directory: "/nonexistent", node: name })))
    )
    return Context.get(services, Lease.Lease)
  })

const held = <A>(claim: Option.Option<A>): A => {
  if (Option.isNone(claim)) throw new Error("the lease is held by another")
  return claim.value
}

const until = <E, R>(condition: Effect.Effect<boolean, E, R>) =>
  Effect.repeat(condition, { until: (met) => met, schedule: Schedule.spaced("5 millis") })

/** Time passes for the database. */
const expire = (name: string) =>
  Effect.flatMap(
    ControlSql,
    (sql) => sql`UPDATE ostinato.lease SET expires_at = clock_timestamp() - interval '1 second' WHERE name = ${name}`
  )

const row = (name: string) =>
  Effect.flatMap(ControlSql, (sql) =>
    Effect.map(
      sql<{ epoch: bigint; left: number; until: Date }>`
        SELECT epoch, extract(epoch FROM expires_at - clock_timestamp())::float8 AS left, expires_at AS until
        FROM ostinato.lease WHERE name = ${name}`,
      ([found]) => found ?? { epoch: 0n, left: 0, until: new Date(0) }
    ))

layer(Layer.provideMerge(Lease.Lease.layer(), TestDatabase.layer(Lease.migrations)), {
  excludeTestServices: true,
  timeout: 60_000
})("Lease", (it) => {
  it.effect("of forty who ask at the same time on two nodes one gets it, for its term", () =>
    Effect.gen(function*() {
      const nodes = [yield* node("one"), yield* node("two")]
      const claims = yield* Effect.forEach(
        Array.from({ length: 20 }).flatMap(() => nodes),
        (lease) => lease.acquire("many", { term: "1 minute" }),
        { concurrency: "unbounded" }
      )
      assert.strictEqual(claims.filter(Option.isSome).length, 1)
      const { epoch, left } = yield* row("many")
      assert.strictEqual(epoch, 1n)
      assert.isTrue(left > 0 && left <= 60, String(left))
    }))

  it.effect("the epoch rises with every claim and never goes back, whether it was released or ran out", () =>
    Effect.gen(function*() {
      const lease = yield* Lease.Lease
      const epochs: Array<bigint> = []
      for (const end of ["release", "expire", "release", "expire", "last"]) {
        const claim = held(yield* lease.acquire("epochs"))
        epochs.push(claim.epoch)
        yield* end === "release" ? lease.release(claim) : end === "expire" ? expire("epochs") : Effect.void
      }
      assert.deepStrictEqual(epochs, [1n, 2n, 3n, 4n, 5n])
    }))

  it.effect("a claim that another took is fenced: it renews nothing, releases nothing, and says so", () =>
    Effect.gen(function*() {
      const [one, two] = [yield* node("fenced-one"), yield* node("fenced-two")]
      const old = held(yield* one.acquire("fenced"))
      yield* expire("fenced")
      const taken = held(yield* two.acquire("fenced"))
      const error = yield* Effect.flip(one.renew(old))
      assert.strictEqual(error._tag, "LeaseLost")
      assert.strictEqual(error.message, "the lease fenced (epoch 1) is lost: another process has taken it")
      yield* one.release(old)
      assert.isTrue(Option.isNone(yield* one.acquire("fenced")), "it is still held by the other")
      yield* two.renew(taken)
    }))

  it.effect("a claim that ran out and that nobody took goes on when it is renewed", () =>
    Effect.gen(function*() {
      const lease = yield* Lease.Lease
      const claim = held(yield* lease.acquire("slept"))
      yield* expire("slept")
      yield* lease.renew(claim)
      assert.isTrue(Option.isNone(yield* lease.acquire("slept")))
    }))

  it.effect("a holder that crashed is followed by another when its term is over, not before", () =>
    Effect.gen(function*() {
      const [one, two] = [yield* node("crash-one"), yield* node("crash-two")]
      held(yield* one.acquire("crashed", { term: "150 millis" }))
      const { until: over } = yield* row("crashed")
      const next = yield* Effect.repeat(two.acquire("crashed", { term: "1 minute" }), {
        until: Option.isSome,
        schedule: Schedule.spaced("5 millis")
      })
      const { until: afterwards } = yield* row("crashed")
      assert.strictEqual(held(next).epoch, 2n)
      assert.isAtLeast(afterwards.getTime() - 60_000, over.getTime())
    }))

  it.effect("work under a lease keeps it longer than a term, and gives it back at its end", () =>
    Effect.gen(function*() {
      const [one, two] = [yield* node("work-one"), yield* node("work-two")]
      const term = Duration.millis(1500)
      const others: Array<unknown> = []
      const ran = yield* one.withLease("work", () =>
        Effect.gen(function*() {
          const first = yield* row("work")
          yield* until(Effect.gen(function*() {
            const other = yield* two.withLease("work", () => Effect.succeed("both"))
            if (Option.isSome(other)) others.push(other)
            const now = yield* row("work")
            return now.until.getTime() > first.until.getTime() + Duration.toMillis(term)
          }))
          return "done"
        }), { term })
      assert.deepStrictEqual(ran, Option.some("done"))
      assert.deepStrictEqual(others, [])
      assert.deepStrictEqual(yield* two.withLease("work", ({ epoch }) => Effect.succeed(epoch)), Option.some(2n))
    }))

  it.effect("G24 a clock on the wall that is set neither ends work under a lease nor keeps it", () =>
    Effect.gen(function*() {
      const lease = yield* Lease.Lease
      const clock = yield* Clock.Clock
      let ahead = 0n
      const set = Clock.Clock.of({
        currentTimeMillisUnsafe: () => clock.currentTimeMillisUnsafe() + Number(ahead / 1_000_000n),
        currentTimeMillis: Effect.map(clock.currentTimeMillis, (now) => now + Number(ahead / 1_000_000n)),
        currentTimeNanosUnsafe: () => clock.currentTimeNanosUnsafe() + ahead,
        currentTimeNanos: Effect.map(clock.currentTimeNanos, (now) => now + ahead),
        monotonicTimeNanosUnsafe: () => clock.monotonicTimeNanosUnsafe(),
        monotonicTimeNanos: clock.monotonicTimeNanos,
        sleep: (duration) => clock.sleep(duration)
      })
      const renewed = Effect.flatMap(
        row("set"),
        ({ until: before }) => until(Effect.map(row("set"), (now) => now.until.getTime() > before.getTime()))
      )
      const work = Effect.gen(function*() {
        yield* renewed
        ahead = 3_600_000_000_000n
        yield* renewed
        yield* renewed
      })
      const done = yield* Effect.provideService(
        lease.withLease("set", () => work, { term: "2 seconds" }),
        Clock.Clock,
        set
      )
      assert.isTrue(Option.isSome(done))
    }))

  it.effect("a lease is given back when its work fails, dies or is interrupted", () =>
    Effect.gen(function*() {
      const lease = yield* Lease.Lease
      assert.strictEqual(yield* Effect.flip(lease.withLease("ends", () => Effect.fail("no"))), "no")
      yield* Effect.exit(lease.withLease("ends", () => Effect.die("no")))
      yield* Effect.exit(lease.withLease("ends", () => Effect.interrupt))
      assert.deepStrictEqual(yield* lease.withLease("ends", ({ epoch }) => Effect.succeed(epoch)), Option.some(4n))
    }))

  it.effect("work is interrupted when its lease was taken, and when it cannot be renewed in time", () =>
    Effect.gen(function*() {
      const sql = yield* ControlSql
      const lease = yield* Lease.Lease
      const losing = (harm: Effect.Effect<unknown, unknown>) =>
        Effect.gen(function*() {
          const stopped = yield* Deferred.make<void>()
          const error = yield* Effect.flip(
            lease.withLease("lost", () =>
              Effect.andThen(harm, Effect.never).pipe(
                Effect.onInterrupt(() => Deferred.succeed(stopped, undefined))
              ), { term: "300 millis" })
          )
          assert.isTrue(yield* Deferred.isDone(stopped))
          return error instanceof Lease.LeaseLost ? error.message : error
        })
      const taken = yield* losing(sql`UPDATE ostinato.lease SET epoch = epoch + 1, holder = 'else' WHERE name = 'lost'`)
      assert.strictEqual(taken, "the lease lost (epoch 1) is lost: another process has taken it")
      yield* expire("lost")
      const away = yield* losing(sql`ALTER TABLE ostinato.lease RENAME TO lease_away`)
      yield* sql`ALTER TABLE ostinato.lease_away RENAME TO lease`
      assert.strictEqual(away, "the lease lost (epoch 3) is lost: it could not be renewed in time")
    }))

  it.effect("a fenced transaction fails when the lease is lost, and leaves nothing", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const lease = yield* Lease.Lease
      yield* sql`CREATE TABLE fenced_ledger (epoch bigint)`
      const claim = held(yield* lease.acquire("ledger"))
      const write = Database.transaction(
        Effect.andThen(sql`INSERT INTO fenced_ledger VALUES (${claim.epoch})`, lease.fence(claim))
      )
      yield* write
      yield* expire("ledger")
      const error = yield* Effect.flip(write)
      assert.strictEqual(error._tag, "LeaseLost")
      assert.strictEqual((yield* sql`SELECT 1 FROM fenced_ledger`).length, 1)
    }))

  it.effect("nobody takes a lease while a fenced transaction is open, though its term is over", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const control = yield* ControlSql
      const [one, two] = [yield* node("fence-one"), yield* node("fence-two")]
      yield* sql`CREATE TABLE fence_order (who text)`
      const claim = held(yield* one.acquire("fence", { term: "50 millis" }))
      const next = yield* Database.transaction(Effect.gen(function*() {
        yield* one.fence(claim)
        const other = yield* Effect.forkDetach(Database.outside(
          Effect.tap(
            Effect.repeat(two.acquire("fence"), { until: Option.isSome, schedule: Schedule.spaced("5 millis") }),
            () => control`INSERT INTO fence_order VALUES ('next holder')`
          )
        ))
        yield* until(Effect.map(
          control`SELECT 1 FROM pg_stat_activity WHERE application_name = 'ostinato:control:fence-two'
            AND wait_event_type = 'Lock'`,
          (waiting) => waiting.length > 0
        ))
        yield* sql`INSERT INTO fence_order VALUES ('fenced')`
        return other
      }))
      assert.strictEqual(held(yield* Fiber.join(next)).epoch, 2n)
      const order = yield* sql<{ who: string }>`SELECT who FROM fence_order ORDER BY xmin::text::bigint`
      assert.deepStrictEqual(order.map(({ who }) => who), ["fenced", "next holder"])
    }))
})
