/** What a Drain promises, whoever starts work while it closes. */
import { assert } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Random from "effect/Random"
import type { Drain } from "ostinato"

const upTo = (milliseconds: number) => Random.nextIntBetween(0, milliseconds)

export const drainHolds = (make: typeof Drain.make) =>
  Effect.gen(function*() {
    const drain = yield* make({ drain: 100, grace: 20 })
    const accepted = new Set<string>()
    const begun = new Set<string>()
    const ended = new Set<string>()
    let report: Drain.Report | undefined

    const bodies = [
      Effect.flatMap(upTo(200), Effect.sleep),
      Effect.uninterruptible(Effect.flatMap(upTo(400), Effect.sleep)),
      Effect.ensuring(Effect.never, Effect.flatMap(upTo(40), Effect.sleep))
    ]
    const work = Effect.fnUntraced(function*(name: string) {
      if (report !== undefined) assert.include(report.abandoned, name, "nothing begins after the close")
      begun.add(name)
      yield* Effect.ensuring(bodies[yield* upTo(2)]!, Effect.sync(() => ended.add(name)))
    })
    const submit = Effect.fnUntraced(function*(name: string) {
      yield* Effect.sleep(yield* upTo(60))
      const isClosed = report !== undefined
      const isAccepted = yield* drain.fork(name, work(name))
      if (isAccepted) accepted.add(name)
      assert.isFalse(isClosed && isAccepted, "nothing is accepted after the close")
    })
    const producer = (producer: string) => Effect.forEach(["1", "2", "3"], (n) => submit(producer + n))
    const producers = yield* Effect.forkChild(Effect.forEach(["a", "b", "c"], producer, { concurrency: "unbounded" }))

    yield* Effect.sleep(yield* upTo(120))
    const before = yield* Clock.currentTimeMillis
    report = yield* drain.close
    assert.isAtMost((yield* Clock.currentTimeMillis) - before, 120, "the close takes at most drain and grace")
    const { abandoned, interrupted } = report
    for (const name of begun) assert.isTrue(ended.has(name) || abandoned.includes(name), `${name} ended or is named`)
    yield* Effect.sleep("1 second")
    yield* Fiber.join(producers)
    for (const name of accepted) {
      assert.isTrue(
        begun.has(name) || abandoned.includes(name) || interrupted.includes(name),
        `${name} is accounted for`
      )
    }
  })
