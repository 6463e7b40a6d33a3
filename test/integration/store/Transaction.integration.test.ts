/** To whom a transaction belongs, who inherits it, and how work leaves it. */
import * as PgClient from "@effect/sql-pg/PgClient"
import { assert, layer } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as SqlClient from "effect/sql/SqlClient"
import { isSqlError } from "effect/sql/SqlError"
import { Database } from "ostinato/store/Database"
import { Tx } from "ostinato/store/Tx"
import * as TestDatabase from "../../contract/TestDatabase.ts"

/** A table of its own, and what a rolled-back transaction left in it. */
const ledger = Effect.fnUntraced(function*(name: string) {
  const sql = yield* SqlClient.SqlClient
  yield* sql`CREATE TABLE ${sql(name)} (entry text NOT NULL)`
  return {
    write: (entry: string) => sql`INSERT INTO ${sql(name)} VALUES (${entry})`,
    entries: Effect.map(
      sql<{ entry: string }>`SELECT entry FROM ${sql(name)} ORDER BY entry`,
      (rows) => rows.map((row) => row.entry)
    )
  }
})

const rolledBack = <A, E, R>(work: Effect.Effect<A, E, R>) =>
  Effect.exit(Database.transaction(Effect.andThen(work, Effect.fail("rolled back"))))

layer(TestDatabase.layer(), { excludeTestServices: true, timeout: 60_000 })("a transaction", (it) => {
  it.effect("belongs to one client instance: what a second client of the same server writes stays after a rollback", () =>
    Effect.gen(function*() {
      const { entries, write } = yield* ledger("instances")
      const { url } = yield* Database
      const second = Effect.flatMap(PgClient.PgClient, (sql) => sql`INSERT INTO instances VALUES ('second client')`)
      yield* rolledBack(Effect.andThen(write("first client"), Effect.provide(second, PgClient.layer({ url }))))
      assert.deepStrictEqual(yield* entries, ["second client"])
    }))

  it.effect("is inherited by forked fibers: what they write vanishes with it", () =>
    Effect.gen(function*() {
      const { entries, write } = yield* ledger("inherited")
      yield* rolledBack(Effect.flatMap(Effect.forkChild(write("forked")), Fiber.join))
      assert.deepStrictEqual(yield* entries, [])
    }))

  it.effect("whose connection broke fails as its work or its commit did, so that the failure can be handled", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const { entries, write } = yield* ledger("broken")
      const cut = Effect.andThen(write("before"), Effect.ignore(sql`SELECT pg_terminate_backend(pg_backend_pid())`))
      const handled = <E>(work: Effect.Effect<unknown, E, SqlClient.SqlClient>) =>
        Effect.flip(Database.transaction(Effect.andThen(cut, work)))
      assert.strictEqual(yield* handled(Effect.fail("given up")), "given up")
      assert.isTrue(isSqlError(yield* handled(write("after"))))
      assert.isTrue(isSqlError(yield* handled(Effect.void)))
      assert.deepStrictEqual(yield* entries, [])
    }))

  it.effect("fails a fiber that goes on in it after its end", () =>
    Effect.gen(function*() {
      const { entries, write } = yield* ledger("outlived")
      const ended = yield* Deferred.make<void>()
      const late = yield* Database.transaction(
        Effect.forkDetach(Effect.andThen(Deferred.await(ended), write("late")))
      )
      yield* Deferred.succeed(ended, undefined)
      assert.strictEqual((yield* Fiber.await(late))._tag, "Failure")
      assert.deepStrictEqual(yield* entries, [])
    }))

  it.effect("is left by Database.outside: its statements stay committed, also nested and in forks", () =>
    Effect.gen(function*() {
      const { entries, write } = yield* ledger("outside")
      yield* rolledBack(Effect.gen(function*() {
        yield* write("inside")
        yield* Database.outside(write("outside"))
        yield* Database.transaction(Database.outside(Database.transaction(write("a transaction of its own"))))
        yield* Effect.flatMap(Effect.forkChild(Database.outside(write("forked"))), Fiber.join)
      }))
      assert.deepStrictEqual(yield* entries, ["a transaction of its own", "forked", "outside"])
    }))

  it.effect("leaves a fiber alone that left it, also after its end", () =>
    Effect.gen(function*() {
      const { entries, write } = yield* ledger("detached")
      const ended = yield* Deferred.make<void>()
      const late = yield* Database.transaction(
        Effect.forkDetach(Database.outside(Effect.andThen(Deferred.await(ended), write("late"))))
      )
      yield* Deferred.succeed(ended, undefined)
      yield* Fiber.join(late)
      assert.deepStrictEqual(yield* entries, ["late"])
    }))

  it.effect("cannot be left by what requires it: the compiler refuses", () =>
    Effect.gen(function*() {
      // @ts-expect-error -- Tx is required
      const left = Database.outside(Effect.asVoid(Tx))
      assert.isTrue(Effect.isEffect(left))
    }))
})
