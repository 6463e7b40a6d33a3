/** Processes whose wall clocks are an hour off, in their heartbeat threads too: only the database's clock counts. */
import * as PgClient from "@effect/sql-pg/PgClient"
import { assert, layer as withLayer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as JobQueue from "ostinato/jobs/JobQueue"
import { JobStore } from "ostinato/jobs/JobStore"
import { Database } from "ostinato/store/Database"
import * as Program from "../store/program.ts"
import { layer } from "./jobs.ts"
import { Timely } from "./timely.ts"

const wallClock = () => Date.now()
const hour = 3_600_000

withLayer(layer, { excludeTestServices: true, timeout: "60 seconds" })("workers whose clocks are an hour off", (it) => {
  it.effect(
    "G24 start jobs neither early nor twice, nor too late for a deadline, keep their leases, and are rescued in time",
    () =>
      Effect.gen(function*() {
        const sql = yield* PgClient.PgClient
        const jobs = yield* JobStore
        const { url } = yield* Database
        const begun: Array<string> = []
        const start = Effect.fnUntraced(function*(node: string, skew: number) {
          const preload = `--import=${new URL("./skewedClock.ts", import.meta.url).href}`
          const environment = ["env", `NODE_OPTIONS=--conditions=ostinato:source ${preload}`, `SKEW_MS=${skew}`]
          const child = yield* Program.start("../jobs/skewedWorker.ts", [Redacted.value(url), node], environment)
          const { now } = yield* Program.readJson(child)
          assert.approximately(Number(now) - wallClock(), skew, hour / 60)
          const listen = Effect.map(Program.readJson(child), ({ attempt, ended, name }) => {
            if (ended !== true) begun.push(`${String(name)} ${String(attempt)} at ${node}`)
            return ended === true
          })
          yield* Effect.forkScoped(Effect.repeat(listen, { until: (ended) => ended }))
          return child
        })
        const begins = (what: RegExp, count: number) =>
          Effect.suspend(() =>
            begun.filter((line) => what.test(line)).length >= count ? Effect.void : Effect.fail("not yet")
          ).pipe(
            Effect.retry(Schedule.spaced("20 millis")),
            Effect.timeoutOrElse({
              duration: "40 seconds",
              orElse: () => Effect.die(`${count} of ${what.source} have not begun, but ${begun.join(", ")}`)
            })
          )

        yield* JobQueue.enqueueAll(
          Array.from({ length: 20 }, (_, n) => JobQueue.job(Timely, { name: `now ${n}` }, { queue: "timely" }))
        )
        yield* JobQueue.enqueue(Timely, { name: "later" }, { queue: "timely", delay: "3 seconds" })
        const ahead = yield* start("ahead", hour)
        const { id: stuck } = yield* JobQueue.enqueue(Timely, { name: "stuck" }, { queue: "timely" })
        yield* begins(/^stuck 1 at ahead/, 1)
        yield* start("behind", -hour)
        yield* begins(/^(now|later|of)/, 23)
        // whoever looks, by whichever clock, finds both alive
        assert.deepStrictEqual((yield* jobs.members).map(({ node }) => node).toSorted(), ["ahead", "behind"])
        assert.deepStrictEqual(yield* jobs.rescue, [])
        assert.strictEqual((yield* jobs.get(stuck))?.state, "running")

        process.kill(ahead.pid, "SIGKILL")
        yield* begins(/^stuck 2 at behind/, 1)
        assert.deepInclude(yield* jobs.get(stuck), { lost: 1, node: "behind" })

        assert.strictEqual(new Set(begun).size, begun.length)
        assert.lengthOf(begun.filter((line) => !line.startsWith("stuck")), 23)
        const early = yield* sql`
        SELECT j.args FROM ostinato.job j JOIN ostinato.done d ON d.job_id = j.id
        WHERE d.claimed_at < j.created_at + CASE WHEN j.args ->> 'name' = 'later' THEN interval '3 seconds'
          WHEN j.args ->> 'name' LIKE 'of %' THEN interval '1 second' ELSE interval '0' END`
        assert.deepStrictEqual(early, [])
      }),
    120_000
  )
})
