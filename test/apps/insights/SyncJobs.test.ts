import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import { Supervisor } from "ostinato"
import { jobIdOf } from "ostinato/jobs/Job"
import * as JobFilter from "ostinato/jobs/JobFilter"
import * as JobQueue from "ostinato/jobs/JobQueue"
import * as MemoryJobStore from "ostinato/jobs/stores/Memory"
import { SyncInsights } from "../../../src/apps/insights/SyncInsights.ts"
import * as SyncJobs from "../../../src/apps/insights/SyncJobs.ts"

const Live = MemoryJobStore.layer.pipe(Layer.provideMerge([Supervisor.layer, Logger.layer([])]))

const queue = SyncJobs.queueOf("/srv/score")
const trigger = { kind: "code" } as const

describe("syncs as jobs", () => {
  it("a place has a queue that a list of queues can name, and a repository below it has the same", () => {
    assert.strictEqual(queue, "insights:/srv/score")
    for (const place of ["/srv/my music", "/srv/a=b", "/srv/a,b", `/${"x".repeat(120)}`, "/srv/\u0007"]) {
      assert.match(SyncJobs.queueOf(place), /^insights:[0-9a-f]{32}$/)
    }
    const places = ["/srv", "/srv/music", "https://example.org/score"]
    const expected = [
      ["/srv/music/song", "/srv/music"],
      ["/srv/music", "/srv/music"],
      ["/srv/musical", "/srv"],
      ["https://example.org/score", "https://example.org/score"],
      ["/home/song", "/home/song"]
    ] as const
    for (const [repository, place] of expected) {
      assert.strictEqual(SyncJobs.queueAmong(places, repository), SyncJobs.queueOf(place), repository)
    }
  })

  it.effect("of one repository is one job at a time: a full one takes the place of one that waits, a daily one only its turn", () =>
    Effect.gen(function*() {
      const daily = SyncJobs.dispatchDaily(queue)
      const full = SyncJobs.dispatch(queue)
      const later = yield* JobQueue.enqueue(SyncInsights, { repository: "/srv/score" }, {
        queue,
        unique: SyncJobs.unique,
        delay: "1 hour"
      })
      const jobs = Effect.flatMap(JobFilter.parse(""), (filter) => JobQueue.query(filter))
      const first = yield* daily(SyncInsights, { repository: "/srv/score", changedOnly: true }, trigger)
      assert.strictEqual(jobIdOf(first.id), later.id)
      const [due] = yield* jobs
      assert.deepStrictEqual(due?.payload, { repository: "/srv/score" })
      // due now, in place of in an hour
      assert.isAtMost(due?.runAt == null ? 0 : DateTime.toEpochMillis(due.runAt), yield* Clock.currentTimeMillis)
      const second = yield* full(SyncInsights, { repository: "/srv/score" }, trigger)
      assert.strictEqual(second.id, first.id)
      const other = yield* daily(SyncInsights, { repository: "/srv/other", changedOnly: true }, trigger)
      assert.strictEqual((yield* full(SyncInsights, { repository: "/srv/other" }, trigger)).id, other.id)
      assert.deepStrictEqual((yield* jobs).map(({ payload }) => payload), [
        { repository: "/srv/other" },
        { repository: "/srv/score" }
      ])
    }).pipe(Effect.provide(Live)))
})
