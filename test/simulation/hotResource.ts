/** What a HotResource promises, whoever uses it while it is exchanged. */
import { assert } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import type * as Scope from "effect/Scope"
import type { HotResource } from "ostinato"

const upTo = (milliseconds: number) => Random.nextIntBetween(0, milliseconds)

export class Connection extends Context.Service<Connection, { readonly id: number; readonly key: number }>()(
  "ostinato/test/simulation/hotResource/Connection"
) {}

export type Make = (options: {
  readonly name: string
  readonly initial: number
  readonly build: (key: number) => Layer.Layer<Connection, string>
}) => Effect.Effect<Omit<HotResource.HotResource<number, Connection, string>, "name">, string, Scope.Scope>

/** Connections that say when they were closed. */
const server = () => {
  const open = new Set<number>()
  let opened = 0
  const build = (key: number) =>
    Layer.effect(
      Connection,
      Effect.acquireRelease(
        Effect.gen(function*() {
          yield* Effect.sleep(yield* upTo(3))
          if (key > 0 && (yield* upTo(9)) === 0) return yield* Effect.fail("refused")
          const id = ++opened
          open.add(id)
          return { id, key }
        }),
        ({ id }) => Effect.sync(() => assert.isTrue(open.delete(id), "a connection is closed once"))
      )
    )
  return { open, build }
}

export const hotResourceHolds = (make: Make) =>
  Effect.gen(function*() {
    const { build, open } = server()
    const resource = yield* make({ name: "connection", initial: 0, build })
    let newest = 0

    const user = Effect.gen(function*() {
      yield* Effect.sleep(yield* upTo(10))
      const atLeast = newest
      const work = Effect.gen(function*() {
        const { id, key } = yield* Connection
        assert.isAtLeast(key, atLeast, "a new user gets the newest")
        for (let step = 0; step < 3; step++) {
          assert.isTrue(open.has(id), "a connection is open while it is used")
          yield* Effect.sleep(yield* upTo(2))
        }
      })
      // some users are interrupted in between
      yield* Effect.timeoutOption(resource.use(work), (yield* upTo(3)) === 0 ? yield* upTo(3) : "1 minute")
    })
    const switcher = Effect.gen(function*() {
      for (const _ of [1, 2, 3]) {
        yield* Effect.sleep(yield* upTo(5))
        const key = newest + 1
        const switched = yield* Effect.option(resource.switchTo(key))
        if (Option.isSome(switched)) newest = Math.max(newest, key)
      }
    })
    const users = Effect.forEach(Array.from({ length: 5 }), () => Effect.repeat(user, { times: 2 }), {
      concurrency: "unbounded"
    })
    yield* Fiber.joinAll([yield* Effect.forkChild(users), yield* Effect.forkChild(switcher)])
    assert.isTrue(Option.isSome(yield* Effect.timeoutOption(resource.settled, "1 minute")), "old versions close")
    assert.deepStrictEqual(yield* resource.retired, [])
    const { key, users: left } = yield* resource.current
    assert.deepStrictEqual([key, left, open.size], [newest, 0, 1])
  })
