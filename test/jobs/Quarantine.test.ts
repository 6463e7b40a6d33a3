/** Jobs that went down with their workers: what runs beside them. */
import { assert, describe, it } from "@effect/vitest"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Task from "ostinato/core/Task"
import * as JobQueue from "ostinato/jobs/JobQueue"
import type { Claimed } from "ostinato/jobs/JobStore"
import * as JobWorker from "ostinato/jobs/JobWorker"
import { changed, pass, reaches } from "./Working.ts"

const Work = Task.make("test.work", { payload: { name: Schema.String, seconds: Schema.Int } })

/** A worker, told that jobs whose names begin with `suspect` were lost twice; and what began and ended, in order. */
const worker = ({ isTelling = false, slots = {} }: { readonly isTelling?: boolean; readonly slots?: Slots } = {}) => {
  const story: Array<string> = []
  const WorkLive = Work.toLayer(({ name, seconds }) =>
    Effect.sync(() => story.push(`+${name}`)).pipe(
      Effect.andThen(Effect.sleep(seconds * 1000)),
      Effect.andThen(Effect.sync(() => story.push(`-${name}`))),
      Effect.asVoid
    )
  )
  const layer = Layer.provideMerge(
    Layer.provide(
      JobWorker.layer({ queues: { one: { concurrency: 2, ...slots }, other: { concurrency: 2 } }, tasks: [Work] }),
      WorkLive
    ),
    changed((jobs) => ({
      claim: (member, queue, limit) =>
        Effect.map(
          jobs.claim(member, queue, limit),
          (claimed) => claimed.map((job) => JSON.stringify(job.payload).includes("suspect") ? { ...job, lost: 2 } : job)
        ),
      isolate: (member, job) =>
        Effect.tap(
          jobs.isolate(member, job),
          () => Effect.sync(() => isTelling ? story.push(noteOf(job)) : undefined)
        ),
      finish: (member, ends) =>
        Effect.tap(
          jobs.finish(member, ends),
          () => Effect.sync(() => ends.forEach(({ outcome }) => outcome === "snooze" ? story.push(outcome) : undefined))
        )
    }))
  )
  return { layer, story }
}

interface Slots {
  readonly concurrency?: number
  readonly prefetch?: number
}

const noteOf = (job: Claimed | null) => job === null ? "not alone" : `alone ${nameOf(job.payload).name}`

const nameOf = Schema.decodeUnknownSync(Schema.Struct({ name: Schema.String }))

const enqueue = (name: string, seconds: number, queue = "one") =>
  Effect.map(JobQueue.enqueue(Work, { name, seconds }, { queue }), ({ id }) => id)

describe("a job that went down with its worker twice", () => {
  it.effect("runs alone: what runs ends before, and nothing begins beside it, in any queue", () => {
    const { layer, story } = worker()
    return Effect.gen(function*() {
      const ids = [yield* enqueue("a", 2)]
      yield* pass(1)
      ids.push(yield* enqueue("suspect-1", 3), yield* enqueue("b", 1))
      yield* pass(1)
      ids.push(yield* enqueue("c", 1, "other"), yield* enqueue("suspect-2", 1, "other"))
      yield* pass(60)
      for (const id of ids) {
        const { attempt } = yield* reaches(id, "completed")
        assert.strictEqual(attempt, 1)
      }
      const isAlone = (name: string) => story[story.indexOf(`+${name}`) + 1] === `-${name}`
      assert.deepStrictEqual(story.slice(0, 2), ["+a", "-a"])
      assert.isTrue(isAlone("suspect-1"))
      assert.isTrue(isAlone("suspect-2"))
      const open = new Set<string>()
      for (const line of story) {
        if (line.startsWith("-")) open.delete(line.slice(1))
        else if (line.startsWith("+")) {
          if (line.includes("suspect")) assert.strictEqual(open.size, 0)
          open.add(line.slice(1))
        }
      }
    }).pipe(Effect.provide(layer))
  })

  it.effect("waits for its turn in hand, behind others like it, and is noted before it begins", () => {
    const { layer, story } = worker({ isTelling: true })
    return Effect.gen(function*() {
      const answers = yield* JobQueue.enqueueAll(
        ["suspect-1", "suspect-2"].map((name) => JobQueue.job(Work, { name, seconds: 1 }, { queue: "one" }))
      )
      yield* pass(10)
      for (const { id } of answers) yield* reaches(id, "completed")
      const alone = (name: string) => [`alone ${name}`, `+${name}`, `-${name}`]
      assert.deepStrictEqual(story, [...alone("suspect-1"), ...alone("suspect-2")])
    }).pipe(Effect.provide(layer))
  })

  it.effect("does not wait for ever for what runs, and is not noted as alone then", () => {
    const { layer, story } = worker({ isTelling: true })
    return Effect.gen(function*() {
      const long = yield* enqueue("long", 60)
      yield* pass(1)
      const suspect = yield* enqueue("suspect", 1)
      yield* pass(20)
      yield* reaches(suspect, "completed")
      assert.deepStrictEqual(story, ["+long", "+suspect", "-suspect"])
      const next = yield* enqueue("next", 1)
      yield* pass(10)
      yield* reaches(next, "completed")
      yield* reaches(long, "running")
      yield* pass(60)
      yield* reaches(long, "completed")
    }).pipe(Effect.provide(layer))
  })

  it.effect("is put off by half a minute where its queue has no free slot, and its worker goes on meanwhile", () => {
    const { layer, story } = worker({ slots: { concurrency: 1, prefetch: 1 } })
    return Effect.gen(function*() {
      const long = yield* enqueue("long", 30)
      yield* pass(1)
      const suspect = yield* enqueue("suspect", 1)
      yield* pass(1)
      const next = yield* enqueue("next", 1, "other")
      yield* pass(5)
      assert.deepStrictEqual(story, ["+long"])
      yield* pass(15)
      const { attempt, reason, runAt } = yield* reaches(suspect, "scheduled")
      assert.strictEqual(attempt, 0)
      assert.include(reason, "until it can run alone")
      assert.strictEqual(runAt === null ? 0 : DateTime.toEpochMillis(runAt), 41_000)
      yield* reaches(next, "completed")
      assert.sameMembers(story, ["+long", "snooze", "+next", "-next"])
      yield* pass(60)
      yield* reaches(long, "completed")
      yield* reaches(suspect, "completed")
      assert.deepStrictEqual(story.slice(4), ["-long", "+suspect", "-suspect"])
    }).pipe(Effect.provide(layer))
  })

  it.effect("which runs for long does not keep its worker for itself: the store learns first that others join it", () => {
    const { layer, story } = worker({ isTelling: true })
    return Effect.gen(function*() {
      const suspect = yield* enqueue("suspect", 100)
      yield* pass(1)
      const next = yield* enqueue("next", 1)
      yield* pass(20)
      assert.deepStrictEqual(story, ["alone suspect", "+suspect"])
      yield* pass(20)
      yield* reaches(next, "completed")
      assert.deepStrictEqual(story, ["alone suspect", "+suspect", "not alone", "+next", "-next"])
      yield* pass(100)
      yield* reaches(suspect, "completed")
    }).pipe(Effect.provide(layer))
  })
})
