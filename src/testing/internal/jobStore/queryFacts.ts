/** What can be asked about jobs. */
import { assert } from "@effect/vitest"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as JobFilter from "../../../jobs/JobFilter.ts"
import { JobStore } from "../../../jobs/JobStore.ts"
import { type Fact, failure, fresh, lane, later, named, nameOf } from "./lane.ts"

/** Names of the payloads that a filter finds, newest first. */
const find = Effect.fnUntraced(function*(filter: Partial<JobFilter.JobFilter>) {
  const store = yield* JobStore
  const jobs = yield* store.query({ filter: { ...JobFilter.all, ...filter }, before: null, limit: 100 })
  assert.strictEqual(yield* store.count({ ...JobFilter.all, ...filter }, 100), jobs.length)
  return jobs.map(nameOf)
})

export const queryFacts = (fact: Fact) => {
  fact(
    "finds jobs by state, task, tag, tenant, error, node, trace, id and time, all parts together",
    Effect.gen(function*() {
      const { claimed, end, enqueue, member, queue } = yield* lane
      const trace = (yield* fresh("trace")).replaceAll(/[^0-9a-f]/g, "").slice(-32)
      const queues = [queue]
      const ids = yield* enqueue(
        named("done", { meta: { tags: ["x", "y"] } }),
        named("broken", { task: "suite.other", meta: { origin: { tenant: "acme", actor: null }, tags: ["x"] } }),
        named("waits", { delayMs: later, meta: { traceparent: `00-${trace}-1111111111111111-01` } })
      )
      const [done, broken] = yield* claimed(2)
      yield* end(done, "completed")
      yield* end(broken, "discarded", { failure: failure("SuiteBroken") })
      assert.deepStrictEqual(yield* find({ queues }), ["waits", "broken", "done"])
      assert.deepStrictEqual(yield* find({ queues, states: ["completed", "scheduled"] }), ["waits", "done"])
      assert.deepStrictEqual(yield* find({ queues, states: ["running"] }), [])
      assert.deepStrictEqual(yield* find({ queues, tasks: ["suite.other", "suite.none"] }), ["broken"])
      assert.deepStrictEqual(yield* find({ queues, tags: ["x"] }), ["broken", "done"])
      assert.deepStrictEqual(yield* find({ queues, tags: ["y", "x"] }), ["done"])
      assert.deepStrictEqual(yield* find({ queues, tenants: ["acme"] }), ["broken"])
      assert.deepStrictEqual(yield* find({ queues, errors: ["SuiteBroken"] }), ["broken"])
      assert.deepStrictEqual(yield* find({ nodes: [member.node] }), ["broken", "done"])
      assert.deepStrictEqual(yield* find({ traces: [trace] }), ["waits"])
      assert.deepStrictEqual(yield* find({ ids: ids.slice(0, 1) }), ["done"])
      assert.deepStrictEqual(yield* find({ queues, tasks: ["suite.other"], states: ["completed"] }), [])
      const soon = DateTime.addDuration(yield* DateTime.now, "1 hour")
      assert.deepStrictEqual(yield* find({ queues, since: soon }), [])
      assert.deepStrictEqual(yield* find({ queues, until: soon, states: ["completed"] }), ["done"])
    })
  )

  fact(
    "finds jobs by what their payload holds, numbers as numbers",
    Effect.gen(function*() {
      const { enqueue, queue } = yield* lane
      const queues = [queue]
      const payloads = [
        { name: "nine", size: 9, user: { plan: "pro" } },
        { name: "ten", size: 10, user: { plan: "free" } },
        { name: "text", size: "9", user: null }
      ]
      yield* enqueue(...payloads.map((payload) => ({ payload })))
      const where = (path: string, operator: JobFilter.PayloadTerm["operator"], value: string) =>
        find({ queues, payload: [{ path: path.split("."), operator, value }] })
      assert.deepStrictEqual(yield* where("user.plan", "=", "pro"), ["nine"])
      assert.deepStrictEqual(yield* where("size", "=", "10"), ["ten"])
      assert.include(yield* where("size", ">=", "10"), "ten")
      assert.notInclude(yield* where("size", ">=", "10"), "nine")
      assert.include(yield* where("size", "<", "9.5"), "nine")
      assert.notInclude(yield* where("size", "<", "9.5"), "ten")
      assert.deepStrictEqual(yield* where("none.here", "=", "1"), [])
      assert.deepStrictEqual(yield* where("__proto__.name", "=", "nine"), [])
    })
  )

  fact(
    "pages from the newest on by its cursor, and counts up to a bound",
    Effect.gen(function*() {
      const { enqueue, queue, store } = yield* lane
      const ids = yield* enqueue(...Array.from({ length: 7 }, () => ({})))
      const filter = { ...JobFilter.all, queues: [queue] }
      const pages = [
        yield* store.query({ filter, before: null, limit: 3 }),
        yield* store.query({ filter, before: ids[4] ?? null, limit: 3 }),
        yield* store.query({ filter, before: ids[1] ?? null, limit: 3 })
      ]
      assert.deepStrictEqual(pages.flat().map(({ id }) => id), ids.toReversed())
      assert.strictEqual(yield* store.count(filter, 5), 5)
      assert.strictEqual(yield* store.count(filter, 100), 7)
    })
  )
}
