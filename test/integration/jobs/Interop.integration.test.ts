/** Effect's own modules on our stores, and our functions for programs in other languages. */
import * as PgClient from "@effect/sql-pg/PgClient"
import { assert, layer } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as CircuitBreaker from "effect/persistence/CircuitBreaker"
import * as PersistedQueue from "effect/persistence/PersistedQueue"
import * as RateLimiter from "effect/persistence/RateLimiter"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as PostgresCircuitBreakerStore from "ostinato/jobs/interop/PostgresCircuitBreakerStore"
import * as PostgresPersistedQueueStore from "ostinato/jobs/interop/PostgresPersistedQueueStore"
import * as PostgresRateLimiterStore from "ostinato/jobs/interop/PostgresRateLimiterStore"
import { JobId } from "ostinato/jobs/Job"
import * as JobFilter from "ostinato/jobs/JobFilter"
import * as JobMaintenance from "ostinato/jobs/JobMaintenance"
import * as jobs from "./jobs.ts"

const stores = Layer.mergeAll(
  PersistedQueue.layer.pipe(Layer.provide(PostgresPersistedQueueStore.layer)),
  RateLimiter.layer.pipe(Layer.provide(PostgresRateLimiterStore.layer)),
  PostgresCircuitBreakerStore.layer({ probeLease: "600 millis" }),
  JobMaintenance.layer()
).pipe(Layer.provideMerge(jobs.layer))

class Broken extends Schema.TaggedError<Broken>()("Broken", {}) {}

layer(stores, { excludeTestServices: true, timeout: 60_000 })("interop", (it) => {
  const queue = (name: string, options?: { readonly maxAttempts?: number }) =>
    PersistedQueue.make({
      name,
      schema: Schema.Struct({ n: Schema.Int, at: Schema.optionalKey(Schema.DateTimeUtc) }),
      retrySchedule: Schedule.spaced("10 millis"),
      ...options
    })

  it.effect("a persisted queue gives each element to one taker, with its attempts, until one succeeds", () =>
    Effect.gen(function*() {
      const mail = yield* queue("mail")
      yield* Effect.forEach([1, 2, 3, 4, 5, 6], (n) => mail.offer({ n }))
      const attempts: Array<string> = []
      const seen = new Set<number>()
      yield* Effect.forEach([1, 2, 3, 4, 5, 6, 7], () =>
        Effect.exit(mail.take(({ n }, meta) => {
          attempts.push(`${n}:${meta.attempts}`)
          if (n === 2 && meta.attempts === 1) return Effect.fail(new Broken())
          return Effect.sync(() => void seen.add(n))
        })), { concurrency: 3 })
      assert.sameMembers(attempts, ["1:1", "2:1", "2:2", "3:1", "4:1", "5:1", "6:1"])
      assert.strictEqual(seen.size, 6)
    }))

  it.effect("an element that fails too often, or cannot be read, is discarded with its reason; others go on", () =>
    Effect.gen(function*() {
      const store = yield* jobs.Store
      const sql = yield* PgClient.PgClient
      const orders = yield* queue("orders", { maxAttempts: 2 })
      yield* sql`SELECT ostinato.enqueue_job('effect/orders', 'effect.PersistedQueue', '{"n": "none"}')`
      yield* orders.offer({ n: 1 })
      for (const _ of [1, 2]) {
        assert.isTrue(Exit.isFailure(yield* Effect.exit(orders.take(() => Effect.fail(new Broken())))))
      }
      yield* orders.offer({ n: 2 })
      assert.strictEqual(yield* orders.take(({ n }) => Effect.succeed(n)), 2)
      const discarded = yield* store.query({
        filter: { ...JobFilter.all, queues: ["effect/orders"], states: ["discarded"] },
        before: null,
        limit: 10
      })
      assert.deepStrictEqual(discarded.map(({ attempt, failure }) => [attempt, failure?.tag === "Broken"]), [
        [2, true],
        [1, false]
      ])
    }))

  it.effect("an element is offered in a transaction, once for each id, and later where it is delayed", () =>
    Effect.gen(function*() {
      const sql = yield* PgClient.PgClient
      const later = yield* queue("later")
      yield* Effect.exit(sql.withTransaction(Effect.andThen(later.offer({ n: 0 }), Effect.fail(new Broken()))))
      assert.strictEqual(yield* later.offer({ n: 1 }, { id: "one" }), "one")
      yield* later.offer({ n: 2 }, { id: "one" })
      yield* later.offer({ n: 3 }, { delay: "200 millis" })
      const taken = yield* Effect.all([
        later.take(Effect.succeed),
        later.take((value, meta) => Effect.succeed({ ...value, ...meta }))
      ])
      assert.deepStrictEqual(taken.map(({ n }) => n), [1, 3])
      yield* later.offer({ n: 4 }, { id: "one" })
      const none = yield* Effect.timeoutOption(later.take(Effect.succeed), "100 millis")
      assert.strictEqual(none._tag, "None")
    }))

  it.effect("an interrupted taker gives its element back unspent", () =>
    Effect.gen(function*() {
      const slow = yield* queue("slow")
      yield* slow.offer({ n: 1 })
      const begun = yield* Deferred.make<void>()
      const fiber = yield* Effect.forkChild(
        slow.take(() => Effect.andThen(Deferred.succeed(begun, undefined), Effect.never))
      )
      yield* Deferred.await(begun)
      yield* Fiber.interrupt(fiber)
      assert.strictEqual(yield* slow.take((_, { attempts }) => Effect.succeed(attempts)), 1)
    }))

  it.effect("a rate limit is one for all who ask at once, in both of its forms", () =>
    Effect.gen(function*() {
      const limiter = yield* RateLimiter.RateLimiter
      for (const algorithm of ["fixed-window", "token-bucket"] as const) {
        const asked = yield* Effect.forEach(
          Array.from({ length: 12 }),
          () => Effect.exit(limiter.consume({ algorithm, key: `api ${algorithm}`, limit: 5, window: "1 hour" })),
          { concurrency: "unbounded" }
        )
        assert.lengthOf(asked.filter(Exit.isSuccess), 5, algorithm)
      }
      const { delay } = yield* limiter.consume({
        algorithm: "token-bucket",
        key: "api token-bucket",
        limit: 5,
        window: "1 hour",
        onExceeded: "delay"
      })
      assert.isAbove(Duration.toMinutes(delay), 10)
      yield* limiter.adaptiveFeedback({ key: "far", epoch: 0, tokens: 1, status: 429, retryAfter: Duration.minutes(5) })
      const told = yield* limiter.adaptiveConsume({
        key: "far",
        tokens: 1,
        fallbackLimit: 1,
        fallbackWindow: Duration.seconds(1)
      })
      assert.strictEqual(told.phase, "cooldown")
    }))

  it.effect("a circuit that one store opened is open for all, and one probe at a time closes it", () =>
    Effect.gen(function*() {
      const options = { tripPolicy: CircuitBreaker.consecutive(2), openDuration: "300 millis" } as const
      const here = yield* CircuitBreaker.make(options)
      const built = yield* Layer.build(PostgresCircuitBreakerStore.layer({ probeLease: "600 millis" }))
      const there = yield* Effect.provideContext(CircuitBreaker.make(options), built)
      const fail = Effect.fail(new Broken())
      yield* Effect.exit(here.execute(fail, { key: "api" }))
      yield* Effect.exit(there.execute(fail, { key: "api" }))
      const refused = yield* Effect.flip(there.execute(Effect.void, { key: "api" }))
      assert.strictEqual(refused._tag, "CircuitBreakerError")
      assert.strictEqual((yield* here.state("api"))._tag, "Open")
      yield* Effect.repeat(Effect.delay(here.state("api"), 20), {
        until: (state) => state._tag === "Open" && Duration.toMillis(state.retryAfter) === 0
      })
      // the probe runs for longer than its lease, which is renewed
      const probe = yield* Effect.forkChild(here.execute(Effect.sleep("1 second"), { key: "api" }))
      yield* Effect.repeat(Effect.delay(there.state("api"), 20), { until: (state) => state._tag === "HalfOpen" })
      yield* Effect.sleep("800 millis")
      assert.deepInclude(yield* there.state("api"), { _tag: "HalfOpen", probing: true })
      assert.isTrue(Exit.isFailure(yield* Effect.exit(there.execute(Effect.void, { key: "api" }))))
      yield* Fiber.join(probe)
      assert.deepStrictEqual(yield* there.state("api"), { _tag: "Closed", key: "api" })
    }))

  it.effect("any language enqueues by a function, with options, once for each key, and hears what it got wrong", () =>
    Effect.gen(function*() {
      const store = yield* jobs.Store
      const sql = yield* PgClient.PgClient
      const call = (options: object, payload: object = { to: "ann" }) =>
        Effect.map(
          sql<{ id: string }>`SELECT ostinato.enqueue_job('mails', 'send', ${sql.json(payload)}, ${
            sql.json(options)
          })::text AS id`,
          ([row]) => JobId.make(row!.id)
        )
      const id = yield* call({ priority: -3, maxAttempts: 4, tenant: "acme", tags: ["python"], uniqueKey: "k" })
      assert.deepInclude(yield* store.get(id), {
        queue: "mails",
        task: "send",
        state: "available",
        priority: -3,
        maxAttempts: 4,
        payload: { to: "ann" },
        meta: { tags: ["python"] }
      })
      assert.strictEqual(yield* call({ uniqueKey: "k" }), id)
      const delayed = yield* call({ delayMs: 60_000, notify: true })
      assert.strictEqual((yield* store.get(delayed))?.state, "scheduled")
      yield* Effect.exit(
        sql.withTransaction(Effect.andThen(call({ uniqueKey: "rolled back" }), Effect.fail(new Broken())))
      )
      assert.notStrictEqual(yield* call({ uniqueKey: "rolled back" }), id)
      for (const options of [{ prio: 1 }, { delayMs: -1 }, { maxAttempts: 0 }, { tags: "one" }, { runAt: "soon" }]) {
        assert.isTrue(Exit.isFailure(yield* Effect.exit(call(options))), Object.keys(options).join())
      }
    }))

  it.effect("one number says how much work waits: jobs until one has completed, then seconds", () =>
    Effect.gen(function*() {
      const store = yield* jobs.Store
      const sql = yield* PgClient.PgClient
      const metric = Effect.map(
        sql<{ n: number }>`SELECT ostinato.scaling_metric('scaled')::int AS n`,
        ([row]) => row!.n
      )
      assert.strictEqual(yield* metric, 0)
      yield* store.enqueue(Array.from({ length: 8 }, () => jobs.job({ queue: "scaled" })))
      assert.strictEqual(yield* metric, 8)
      const member = yield* jobs.member()
      const [claimed] = yield* store.claim(member, "scaled", 1)
      yield* store.finish(member, [jobs.end(claimed!)])
      yield* sql`UPDATE ostinato.done SET claimed_at = finished_at - interval '5 seconds' WHERE job_id = ${
        claimed!.id
      }::bigint`
      assert.strictEqual(yield* metric, 7 * 5)
      yield* store.pause("scaled", true)
      assert.strictEqual(yield* metric, 0)
    }))
})
