/** A worker whose store claims for it while it enqueues. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { JobStoreUnavailable } from "ostinato/jobs/JobError"
import * as JobQueue from "ostinato/jobs/JobQueue"
import { JobStore, type Standby } from "ostinato/jobs/JobStore"
import { changed, enqueueMany, pass, reaches, settle, until, Wait, waiting, worker } from "./Working.ts"

/** A store that asks the worker when a test wants it to. */
const asking = () => {
  const seen: { ask: (most: number) => Standby | null; joined: number } = { ask: () => null, joined: 0 }
  const layer = changed((jobs) => ({
    join: (options) => Effect.tap(jobs.join(options), () => Effect.sync(() => void (seen.joined += 1))),
    standby: (_, ask) => Effect.sync(() => void (seen.ask = ask))
  }))
  return { seen, layer }
}

const run = (
  test: (
    seen: ReturnType<typeof asking>["seen"],
    figures: ReturnType<typeof waiting>["figures"],
    open: Effect.Effect<boolean>
  ) => Effect.Effect<void, unknown, JobStore>
) => {
  const { layer, seen } = asking()
  const { figures, go, live } = waiting()
  return Effect.andThen(pass(1), Effect.suspend(() => test(seen, figures, go.open))).pipe(
    Effect.provide(
      Layer.provideMerge(Layer.provide(worker([Wait], { queues: { default: { concurrency: 3 } } }), live), layer)
    )
  )
}

describe("a worker that stands by", () => {
  it.effect("gives its room to a claim that goes along, once, and runs what it brings", () =>
    run((seen, figures, open) =>
      Effect.gen(function*() {
        const store = yield* JobStore
        const first = seen.ask(2)
        const second = seen.ask(9)
        assert.deepStrictEqual([first?.limit, second?.limit, seen.ask(1)], [2, 1, null])
        const jobs = yield* enqueueMany(3)
        yield* settle
        // all of its room is given, so it claims nothing itself
        assert.strictEqual(figures.begun, 0)
        first?.answer(store.claim(first.member, "default", 2))
        yield* settle
        assert.strictEqual(figures.running, 2)
        second?.answer(Effect.succeed([]))
        yield* until("it claims for itself again", Effect.sync(() => figures.running === 3))
        yield* open
        for (const { id } of jobs) yield* reaches(id, "completed")
      })
    ))

  it.effect("joins again when nobody knows what became of it", () =>
    run((seen) =>
      Effect.gen(function*() {
        const first = seen.ask(1)
        assert.strictEqual(seen.joined, 1)
        first?.answer(Effect.fail(new JobStoreUnavailable({ operation: "claim", detail: "cut off" })))
        yield* until("it joined again", Effect.sync(() => seen.joined === 2))
        yield* settle
        assert.notStrictEqual(seen.ask(1)?.member.id, first?.member.id)
      })
    ))

  it.effect("does not leave the membership of a claim under way when another of it went unanswered", () =>
    run((seen, figures, open) =>
      Effect.gen(function*() {
        const store = yield* JobStore
        const first = seen.ask(1)
        const second = seen.ask(2)
        assert.strictEqual(second?.limit, 2)
        yield* JobQueue.enqueueAll([JobQueue.job(Wait, {}), JobQueue.job(Wait, {})])
        first?.answer(Effect.fail(new JobStoreUnavailable({ operation: "claim", detail: "cut off" })))
        yield* until("one began", Effect.sync(() => figures.begun === 1))
        yield* settle
        assert.strictEqual(figures.begun, 1)
        const brought: Array<number> = []
        if (second !== null) {
          second.answer(
            Effect.tap(
              store.claim(second.member, "default", 2),
              ({ length }) => Effect.sync(() => brought.push(length))
            )
          )
        }
        yield* until("both began", Effect.sync(() => figures.begun === 2))
        assert.deepStrictEqual(brought, [1])
        yield* open
      })
    ))

  it.effect("takes one that gets no answer for lost, and nothing of it later", () =>
    run((seen, figures) =>
      Effect.gen(function*() {
        const store = yield* JobStore
        const first = seen.ask(3)
        yield* pass(12)
        assert.strictEqual(seen.joined, 2)
        first?.answer(store.claim(first.member, "default", 3))
        yield* settle
        assert.strictEqual(figures.begun, 0)
        const { id } = yield* JobQueue.enqueue(Wait, {})
        yield* reaches(id, "running")
      })
    ))
})
