import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as SqlClient from "effect/sql/SqlClient"
import * as path from "node:path"
import * as Supervisor from "../../src/core/Supervisor.ts"
import * as JobQueue from "../../src/jobs/JobQueue.ts"
import * as PostgresJobStore from "../../src/jobs/stores/Postgres.ts"
import { Database } from "../../src/store/Database.ts"
import { Notifier } from "../../src/store/Notifier.ts"
import * as TestDatabase from "../contract/TestDatabase.ts"
import * as ServiceProcess from "./ServiceProcess.ts"
import { Sink } from "./sink.ts"

/** A process that serves a queue, two jobs at a time. */
const worker = Effect.fnUntraced(function*(queue: string) {
  const { url } = yield* Database
  const file = path.join(import.meta.dirname, "jobber.ts")
  const command = [process.execPath, "--conditions=ostinato:source", file, "work", queue]
  return yield* ServiceProcess.start(command, { env: { DATABASE_URL: Redacted.value(url) } })
})

/** The names of the jobs that a process has begun, as far as it was heard. */
const begun = (one: ServiceProcess.Program) =>
  one.stderr().flatMap((line) => /^begins (.+), attempt/.exec(line)?.[1] ?? [])

/** All that it has begun, when it has come to its end. */
const stopped = (one: ServiceProcess.Program) =>
  one.signal("SIGTERM").pipe(Effect.andThen(one.ended), Effect.map(() => begun(one)))

const enqueue = (queue: string, names: ReadonlyArray<string>, holds: typeof Sink.payload.Type["holds"]) =>
  JobQueue.enqueueAll(names.map((name) => JobQueue.job(Sink, { name, holds }, { queue })))

const kills = 6

const numbered = (what: string, count: number) => Array.from({ length: count }, (_, n) => `${what}-${n}`)

const completed = (queue: string, count: number) =>
  ServiceProcess.until(JobQueue.stats(queue, { within: "1 hour" }), (stats) => stats.completed >= count)

const Live = Layer.effectDiscard(
  Effect.flatMap(SqlClient.SqlClient, (sql) => sql`CREATE TABLE sink (name text PRIMARY KEY)`)
).pipe(
  Layer.provideMerge(Layer.provide(PostgresJobStore.layer(), Notifier.layer())),
  Layer.provideMerge(Supervisor.layer),
  Layer.provideMerge(TestDatabase.layer(PostgresJobStore.migrations))
)

layer(Live, { excludeTestServices: true, timeout: "60 seconds", concurrent: true })(
  "three processes on one queue",
  (it) => {
    it.effect(
      "S2.4 run 300 jobs once each, and every process has its share",
      () =>
        Effect.gen(function*() {
          const sql = yield* SqlClient.SqlClient
          const fleet = yield* Effect.all([worker("shared"), worker("shared"), worker("shared")])
          // two for each, which hold its two places until all have theirs
          const [first, rest] = [numbered("first", 6), numbered("rest", 294)]
          yield* enqueue("shared", first, "the gate")
          yield* enqueue("shared", rest, "nothing")
          yield* ServiceProcess.until(
            Effect.sync(() => fleet.map((one) => begun(one).length)),
            (counts) => counts.every((count) => count === 2)
          )
          yield* sql`INSERT INTO sink VALUES ('gate')`
          yield* completed("shared", 300)
          assert.sameMembers((yield* Effect.forEach(fleet, stopped)).flat(), [...first, ...rest])
          const { cancelled, discarded } = yield* JobQueue.stats("shared", { within: "1 hour" })
          assert.deepStrictEqual({ cancelled, discarded }, { cancelled: 0, discarded: 0 })
        }),
      120_000
    )

    it.effect(
      "S2.32 lose none of a thousand jobs and more while one after the other is killed in its work, and every effect is there once",
      () =>
        Effect.gen(function*() {
          const sql = yield* SqlClient.SqlClient
          const fleet = yield* Effect.all([worker("stormy"), worker("stormy"), worker("stormy")])
          const acknowledged: Array<string> = []
          const produce = Effect.gen(function*() {
            const names = numbered(`job-${acknowledged.length}`, 50)
            yield* enqueue("stormy", names, "a blink")
            acknowledged.push(...names)
            yield* ServiceProcess.until(JobQueue.stats("stormy"), ({ waiting }) => waiting < 100)
          })
          const calm = yield* Latch.make()
          const producer = yield* Effect.forkScoped(
            Effect.repeat(produce, { until: () => calm.isOpen() && acknowledged.length >= 1000 })
          )
          let starts = 0
          for (let kill = 0; kill < kills; kill++) {
            const at = kill % fleet.length
            const victim = fleet[at] ?? assert.fail("no worker")
            // in the middle of its work
            yield* ServiceProcess.until(Effect.sync(() => begun(victim).length), (count) => count > 20)
            yield* victim.signal("SIGKILL")
            yield* victim.ended
            starts += begun(victim).length
            fleet[at] = yield* worker("stormy")
          }
          yield* calm.open
          yield* Fiber.join(producer)
          const { cancelled, discarded } = yield* completed("stormy", acknowledged.length)
          assert.deepStrictEqual({ cancelled, discarded }, { cancelled: 0, discarded: 0 })
          const rows = yield* sql<{ name: string }>`SELECT name FROM sink WHERE name LIKE 'job-%'`
          assert.sameMembers(rows.map(({ name }) => name), acknowledged)
          // only what was under way in a process when it was killed, two jobs at most, ran again
          starts += fleet.reduce((sum, one) => sum + begun(one).length, 0)
          assert.isAtLeast(starts, acknowledged.length)
          assert.isAtMost(starts, acknowledged.length + 2 * kills)
        }),
      120_000
    )
  }
)
