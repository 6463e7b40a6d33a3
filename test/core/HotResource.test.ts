import { assert, describe, it } from "@effect/vitest"
import * as Cache from "effect/Cache"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Random from "effect/Random"
import * as Ref from "effect/Ref"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/testing/TestClock"
import { HotResource } from "ostinato"

class Connection extends Context.Service<Connection, {
  readonly library: string
  readonly isOpen: () => boolean
}>()("ostinato/test/core/HotResource.test/Connection") {}

class Watcher extends Context.Service<Watcher, {
  readonly library: string
  readonly connection: Connection["Service"]
}>()("ostinato/test/core/HotResource.test/Watcher") {}

class Broken extends Schema.TaggedError<Broken>()("Broken", { library: Schema.String }) {}

const libraries = Effect.map(Ref.make<ReadonlyArray<string>>([]), (events) => {
  const note = (event: string) => Ref.update(events, (all) => [...all, event])
  const connection = (library: string) =>
    Layer.effect(
      Connection,
      Effect.gen(function*() {
        if (library === "broken") return yield* new Broken({ library })
        let isOpen = true
        yield* Effect.acquireRelease(note(`open ${library}`), () => {
          isOpen = false
          return note(`close ${library}`)
        })
        return { library, isOpen: () => isOpen }
      })
    )
  const watcher = Layer.effect(
    Watcher,
    Effect.flatMap(Connection, (connection) =>
      Effect.as(
        Effect.acquireRelease(note(`watch ${connection.library}`), () => note(`unwatch ${connection.library}`)),
        { library: connection.library, connection }
      ))
  )
  const build = (library: string) => Layer.provideMerge(watcher, connection(library))
  return { events: Ref.get(events), build }
})

const here = Effect.map(Effect.all([Connection, Watcher]), ([connection, watcher]) => [
  connection.library,
  watcher.library,
  watcher.connection.library
])

describe("HotResource", () => {
  it.effect("S3.35 after an exchange every part is of the new version, and the old one is closed in reverse order", () =>
    Effect.gen(function*() {
      const { build, events } = yield* libraries
      const library = yield* HotResource.make({ name: "library", initial: "books", build })
      assert.deepStrictEqual(yield* library.use(here), ["books", "books", "books"])
      assert.deepStrictEqual(yield* library.switchTo("films"), { key: "films", generation: 2, users: 0 })
      assert.deepStrictEqual(yield* library.use(here), ["films", "films", "films"])
      yield* library.settled
      assert.deepStrictEqual(yield* events, [
        "open books",
        "watch books",
        "open films",
        "watch films",
        "unwatch books",
        "close books"
      ])
    }).pipe(Effect.scoped))

  it.effect("S3.36 work in flight keeps the old version to its end, and that closes after its last user", () =>
    Effect.gen(function*() {
      const { build, events } = yield* libraries
      const library = yield* HotResource.make({ name: "library", initial: "books", build })
      const gate = yield* Latch.make()
      const working = yield* Latch.make()
      const work = library.use(Effect.gen(function*() {
        const { isOpen, library } = yield* Connection
        yield* working.open
        yield* gate.await
        return [library, isOpen(), (yield* Watcher).library]
      }))
      const fiber = yield* Effect.forkChild(work)
      yield* working.await
      yield* library.switchTo("films")
      assert.deepStrictEqual(yield* library.retired, [{ key: "books", generation: 1, users: 1 }])
      assert.notInclude(yield* events, "close books")
      yield* gate.open
      assert.deepStrictEqual(yield* Fiber.join(fiber), ["books", true, "books"])
      yield* library.settled
      assert.include(yield* events, "close books")
      assert.deepStrictEqual(yield* library.retired, [])
    }).pipe(Effect.scoped))

  it.effect("S3.36 work on an old version that outlasts the drain fails typed, and then the version closes", () =>
    Effect.gen(function*() {
      const { build, events } = yield* libraries
      const library = yield* HotResource.make({ name: "library", initial: "books", build, drain: "10 seconds" })
      const working = yield* Latch.make()
      const fiber = yield* Effect.forkChild(Effect.flip(library.use(Effect.andThen(working.open, Effect.never))))
      yield* working.await
      yield* library.switchTo("films")
      yield* TestClock.adjust("9 seconds")
      assert.notInclude(yield* events, "close books")
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(
        yield* Fiber.join(fiber),
        new HotResource.ResourceRetired({ resource: "library", key: "books" })
      )
      yield* library.settled
      assert.include(yield* events, "close books")
    }).pipe(Effect.scoped))

  it.effect("S3.37 a version that cannot be built leaves the old one serving, and nothing of it open", () =>
    Effect.gen(function*() {
      const { build, events } = yield* libraries
      const library = yield* HotResource.make({ name: "library", initial: "books", build })
      assert.deepStrictEqual(yield* Effect.flip(library.switchTo("broken")), new Broken({ library: "broken" }))
      assert.deepStrictEqual(yield* library.use(here), ["books", "books", "books"])
      assert.deepStrictEqual(yield* events, ["open books", "watch books"])
      yield* library.switchTo("films")
      assert.strictEqual((yield* library.current).generation, 2)
    }).pipe(Effect.scoped))

  it.effect("S3.37 a preload that fails is a warning, and the version serves", () => {
    const lines: Array<string> = []
    const logger = Logger.make(({ logLevel, message }) => void lines.push(`${logLevel} ${String(message)}`))
    return Effect.gen(function*() {
      const { build } = yield* libraries
      const preload = Effect.flatMap(Connection, ({ library }) => Effect.fail(new Broken({ library })))
      const library = yield* HotResource.make({ name: "library", initial: "books", build, preload })
      yield* library.switchTo("films")
      assert.deepStrictEqual(yield* library.use(here), ["films", "films", "films"])
      const warnings = lines.filter((line) => line.startsWith("Warn"))
      assert.deepStrictEqual(warnings, [
        `Warn library: "books" serves although preloading it failed`,
        `Warn library: "films" serves although preloading it failed`
      ])
    }).pipe(Effect.scoped, Effect.provide(Logger.layer([logger])))
  })

  it.effect("S3.38 a cache that is a part of the resource asks once a key, and anew after an exchange", () =>
    Effect.gen(function*() {
      let asked = 0
      class Types
        extends Context.Service<Types, Cache.Cache<string, string>>()("ostinato/test/core/HotResource.test/Types")
      {}
      const build = (library: string) =>
        Layer.effect(
          Types,
          Cache.make({ capacity: 100, lookup: (type: string) => Effect.sync(() => `${library} ${type} ${asked += 1}`) })
        )
      const library = yield* HotResource.make({ name: "library", initial: "books", build })
      const upserts = Effect.forEach(
        Array.from({ length: 10_000 }, (_, i) => `type ${i % 20}`),
        (type) => library.use(Effect.flatMap(Types, (types) => Cache.get(types, type))),
        { concurrency: 16, discard: true }
      )
      yield* upserts
      assert.strictEqual(asked, 20)
      yield* library.switchTo("films")
      yield* upserts
      assert.strictEqual(asked, 40)
    }).pipe(Effect.scoped))

  it.effect("closes everything with its scope, users of old versions or not", () =>
    Effect.gen(function*() {
      const { build, events } = yield* libraries
      yield* Effect.scoped(Effect.gen(function*() {
        const library = yield* HotResource.make({ name: "library", initial: "books", build })
        yield* Effect.forkScoped(library.use(Effect.never), { startImmediately: true })
        yield* library.switchTo("films")
      }))
      const seen = yield* events
      assert.deepStrictEqual(seen.filter((event) => event.startsWith("close")).sort(), ["close books", "close films"])
    }))

  it.effect("G27 a thousand exchanges under load: nobody uses a closed version, and none is left open", () =>
    Effect.gen(function*() {
      const { build, events } = yield* libraries
      const library = yield* HotResource.make({ name: "library", initial: "0", build })
      let faults = 0
      const user = library.use(Effect.gen(function*() {
        const { isOpen, library } = yield* Connection
        for (let step = yield* Random.nextIntBetween(0, 5); step >= 0; step--) {
          yield* Effect.yieldNow
          if (!isOpen() || (yield* Watcher).library !== library) faults += 1
        }
      }))
      const users = yield* Effect.forEach(Array.from({ length: 20 }), () => Effect.forkChild(Effect.forever(user)))
      for (let i = 1; i <= 1000; i++) yield* library.switchTo(String(i))
      const exits = yield* Effect.forEach(users, (fiber) => Effect.andThen(Fiber.interrupt(fiber), Fiber.await(fiber)))
      yield* library.settled
      const seen = yield* events
      assert.isTrue(exits.every((exit) => Exit.hasInterrupts(exit)))
      assert.deepStrictEqual([faults, seen.filter((event) => event.startsWith("close")).length], [0, 1000])
    }).pipe(Effect.scoped, Random.withSeed("exchanges")))
})
