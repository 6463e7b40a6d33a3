/** The connection is cut while jobs are being committed: what the caller is told, and what is there afterwards. */
import * as PgClient from "@effect/sql-pg/PgClient"
import { assert, layer } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Supervisor from "ostinato/core/Supervisor"
import { JobId } from "ostinato/jobs/Job"
import * as JobQueue from "ostinato/jobs/JobQueue"
import * as Postgres from "ostinato/jobs/stores/Postgres"
import { Database } from "ostinato/store/Database"
import { Notifier } from "ostinato/store/Notifier"
import * as Proxy from "../store/proxy.ts"
import * as Cut from "./cut.ts"
import { job, layer as store, Store, unique } from "./jobs.ts"

/** A node whose way to the database can be cut. */
const node = Effect.gen(function*() {
  const url = new URL(Redacted.value((yield* Database).url))
  const way = yield* Cut.listen(`${decodeURIComponent(url.hostname)}/.s.PGSQL.${url.port}`)
  const through = Redacted.make(Proxy.url((yield* Database).url, way.port))
  const services = yield* Layer.build(
    Postgres.layer().pipe(
      Layer.provideMerge(Notifier.layer()),
      Layer.provideMerge(
        Layer.merge(Database.layer({ url: through, directory: "/nonexistent", node: "cut" }), Supervisor.layer)
      )
    )
  )
  return { way, store: Context.get(services, Store) }
})

const rows = (marker: string) =>
  Effect.flatMap(
    PgClient.PgClient,
    (sql) => sql<{ id: string }>`SELECT id::text FROM ostinato.job WHERE args ->> 'marker' = ${marker}`
  )

layer(store, { excludeTestServices: true })("an enqueue of unknown outcome", (it) => {
  for (const when of ["before", "after"] as const) {
    for (const key of ["id", "unique key"] as const) {
      it.effect(`G2 cut ${when} the commit, the caller is told, and the same ${key} again makes no second job`, () =>
        Effect.gen(function*() {
          const { store, way } = yield* node
          // names are known, connections are open
          yield* store.enqueue([job({ queue: "unknown" })])
          yield* store.enqueue([job({ queue: "unknown", id: yield* JobQueue.newId })])
          const marker = `${when} ${key}`
          const wanted = job({
            queue: "unknown",
            payload: { marker },
            ...(key === "id" ? { id: yield* JobQueue.newId } : { unique: unique(marker, { until: "forever" }) })
          })
          way.arm(when, marker)
          const told = yield* Effect.flip(store.enqueue([wanted]))
          assert.strictEqual(told._tag, "EnqueueUnknown")
          assert.strictEqual(way.cuts(), 1)
          assert.strictEqual((yield* rows(marker)).length, when === "after" ? 1 : 0)
          const [again] = yield* store.enqueue([wanted])
          const found = yield* rows(marker)
          assert.deepStrictEqual(again, { id: JobId.make(found[0]!.id), duplicate: when === "after" })
          assert.strictEqual(found.length, 1)
        }))
    }
  }

  it.effect("the worker whose claim went along is told that nobody knows, and gets nothing else", () =>
    Effect.gen(function*() {
      const { store, way } = yield* node
      const member = yield* store.join({ node: "carried", info: {}, serves: {} })
      const told: Array<string> = []
      yield* store.standby("carried", (limit) => ({
        member,
        limit,
        answer: (claimed) =>
          told.push(Exit.match(Effect.runSyncExit(claimed), {
            onFailure: () => "unknown",
            onSuccess: ({ length }) => `${length} jobs`
          }))
      }))
      yield* store.enqueue([job({ queue: "carried" })])
      way.arm("after", "carried marker")
      const unknown = yield* Effect.flip(
        store.enqueue([job({ queue: "carried", payload: { marker: "carried marker" } })])
      )
      assert.strictEqual(unknown._tag, "EnqueueUnknown")
      assert.deepStrictEqual(told, ["1 jobs", "unknown"])
      const [left] = yield* rows("carried marker")
      assert.strictEqual((yield* store.get(JobId.make(left!.id)))?.state, "running")
    }))

  it.effect("callers whose statement was shared are all told, and each may safely call again", () =>
    Effect.gen(function*() {
      const { store, way } = yield* node
      yield* store.enqueue([job({ queue: "shared", id: yield* JobQueue.newId })])
      way.arm("after", "shared marker")
      const ids = yield* Effect.replicateEffect(JobQueue.newId, 100)
      const wanted = ids.map((id) => job({ queue: "shared", payload: { marker: "shared marker" }, id }))
      const told = yield* Effect.forEach(wanted, (one) => Effect.result(store.enqueue([one])), {
        concurrency: "unbounded"
      })
      const unknown = told.flatMap((answer) => answer._tag === "Failure" ? [answer.failure._tag] : [])
      assert.isTrue(unknown.length > 0 && unknown.every((tag) => tag === "EnqueueUnknown"), String(unknown))
      yield* Effect.forEach(wanted, (one) => store.enqueue([one]), { concurrency: "unbounded" })
      const found = yield* rows("shared marker")
      assert.deepStrictEqual(new Set(found.map(({ id }) => id)), new Set<string>(ids))
      assert.strictEqual(found.length, wanted.length)
    }))

  it.effect("in a transaction nothing is unknown: what was cut off is not there", () =>
    Effect.gen(function*() {
      const { way } = yield* node
      const url = Redacted.make(Proxy.url((yield* Database).url, way.port))
      const services = yield* Layer.build(
        Postgres.layer().pipe(
          Layer.provideMerge(Notifier.layer()),
          Layer.provideMerge(
            Layer.merge(Database.layer({ url, directory: "/nonexistent", node: "tx" }), Supervisor.layer)
          )
        )
      )
      const { enqueue, transaction } = Context.get(services, Store)
      yield* enqueue([job({ queue: "tx cut" })])
      way.arm("after", "tx marker")
      const told = yield* Effect.flip(
        transaction(enqueue([job({ queue: "tx cut", payload: { marker: "tx marker" } })]))
      )
      assert.strictEqual(told._tag, "JobStoreUnavailable")
      assert.deepStrictEqual(yield* rows("tx marker"), [])
    }))
})
