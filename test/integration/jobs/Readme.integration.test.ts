/** The README's job in a transaction runs as it stands there. */
import { assert, layer } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import * as fs from "node:fs"
import * as path from "node:path"
import { pathToFileURL } from "node:url"
import { Task } from "ostinato"
import type * as Supervisor from "ostinato/core/Supervisor"
import type { JobId } from "ostinato/jobs/Job"
import type { JobStore } from "ostinato/jobs/JobStore"
import { Tx } from "ostinato/store"
import { examplesOf } from "../../../scripts/doctest.ts"
import * as jobs from "./jobs.ts"

/** What it declares. */
interface Example {
  readonly placed: Effect.Effect<{ readonly id: JobId }, unknown, JobStore | SqlClient.SqlClient>
  readonly Worker: Layer.Layer<never, unknown, JobStore | Supervisor.Supervisor | Task.Handler<"shop.invoice">>
}

const root = path.join(import.meta.dirname, "../../..")

/** The fence, as a module beside those of the other examples. */
const example = Effect.promise(async (): Promise<Example> => {
  const fence = examplesOf("README.md", fs.readFileSync(path.join(root, "README.md"), "utf8"))
    .find(({ code }) => code.includes("enqueueTx"))
  const folder = path.join(root, ".ostinato/readme")
  fs.mkdirSync(folder, { recursive: true })
  const file = path.join(folder, `${process.pid}.ts`)
  fs.writeFileSync(file, `${fence?.code}\nexport { placed, Worker }\n`)
  try {
    return await import(pathToFileURL(file).href)
  } finally {
    fs.rmSync(file)
  }
})

layer(jobs.layer, { excludeTestServices: true, timeout: 60_000 })("the README's job in a transaction", (it) => {
  it.effect("is there with its order or not at all, and a worker runs it", () =>
    Effect.gen(function*() {
      const { placed, Worker } = yield* example
      const sql = yield* SqlClient.SqlClient
      const store = yield* jobs.Store
      yield* sql`CREATE TABLE orders (id text PRIMARY KEY, item text NOT NULL)`
      const orders = Effect.map(sql<{ id: string }>`SELECT id FROM orders`, (rows) => rows.map(({ id }) => id))

      const lost = yield* Effect.flip(Effect.andThen(placed, Effect.fail("the customer is gone")).pipe(Tx.transaction))
      assert.strictEqual(lost, "the customer is gone")
      assert.deepStrictEqual(yield* orders, [])
      assert.deepStrictEqual(yield* store.tasksOf("mail"), [])

      const { id } = yield* placed
      assert.deepStrictEqual(yield* orders, ["o-1"])
      const invoiced = yield* Deferred.make<string>()
      const Invoice = Task.make("shop.invoice", { payload: { order: Schema.String } })
      const InvoiceLive = Invoice.toLayer(({ order }) => Effect.asVoid(Deferred.succeed(invoiced, order)))
      yield* Effect.gen(function*() {
        assert.strictEqual(yield* Deferred.await(invoiced), "o-1")
      }).pipe(Effect.provide(Layer.provide(Worker, InvoiceLive)))
      // a worker that has stopped has written what it had to
      assert.strictEqual((yield* store.get(id))?.state, "completed")
    }))
})
