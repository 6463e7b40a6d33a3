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
    const late: Array<string> = []
    let report: Drain.Report | undefined

    const bodies = [
      Effect.flatMap(upTo(200), Effect.sleep),
      Effect.uninterruptible(Effect.flatMap(upTo(400), Effect.sleep)),
      Effect.ensuring(Effect.never, Effect.flatMap(upTo(40), Effect.sleep))
    ]
    const work = (name: string) =>
      Effect.acquireUseRelease(
        Effect.sync(() => {
          begun.add(name)
          if (report?.abandoned.includes(name) === false) late.push(name)
        }),
        () => Effect.flatMap(upTo(2), (n) => bodies[n]!),
        () => Effect.sync(() => ended.add(name))
      )
    const submit = Effect.fnUntraced(function*(name: string) {
      yield* Effect.sleep(yield* upTo(2))
      const isClosed = report !== undefined
      const isAccepted = yield* drain.fork(name, work(name))
      if (isAccepted) accepted.add(name)
      if (isClosed && isAccepted) late.push(name)
    })
    // with little work, a close finds nothing to wait for
    const works = ["1", "2", "3"].slice(yield* upTo(2))
    const producer = (producer: string) => Effect.forEach(works, (n) => submit(producer + n))
    const names = ["a", "b", "c"].slice(yield* upTo(2))
    const producers = yield* Effect.forkChild(Effect.forEach(names, producer, { concurrency: "unbounded" }))

    yield* Effect.sleep(yield* upTo(3))
    const before = yield* Clock.currentTimeMillis
    report = yield* drain.close
    assert.isAtMost((yield* Clock.currentTimeMillis) - before, 120, "the close takes at most drain and grace")
    const { abandoned, interrupted } = report
    for (const name of begun) assert.isTrue(ended.has(name) || abandoned.includes(name), `${name} ended or is named`)
    yield* Effect.sleep("1 second")
    yield* Fiber.join(producers)
    assert.deepStrictEqual(late, [], "nothing begins after the close")
    for (const name of accepted) {
      assert.isTrue(
        begun.has(name) || abandoned.includes(name) || interrupted.includes(name),
        `${name} is accounted for`
      )
    }
  })
