// @effect-diagnostics strictEffectProvide:off -- each test is an entry point of its own
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as OwnerLock from "../../../src/store/internal/OwnerLock.ts"
import * as Program from "./program.ts"

const folder = Effect.flatMap(FileSystem.FileSystem, (fs) => fs.makeTempDirectoryScoped({ prefix: "ostinato-test-" }))

const entry = Effect.fnUntraced(function*(directory: string, number: number, pid: number, started: string) {
  const fs = yield* FileSystem.FileSystem
  yield* fs.makeDirectory(`${directory}/postgres.owner`, { recursive: true })
  yield* fs.writeFileString(`${directory}/postgres.owner/${number}`, `{"pid":${pid},"started":"${started}"}`)
})

describe("OwnerLock", () => {
  it.live("is won by exactly one of four processes, free, stale or held before", () =>
    Effect.gen(function*() {
      const contenders = yield* Effect.forEach([1, 2, 3, 4], () => Program.start("contender.ts", []), {
        concurrency: 4
      })
      const round = Effect.fnUntraced(function*(directory: string) {
        yield* Effect.forEach(contenders, (contender) => contender.send(directory))
        const answers = yield* Effect.forEach(contenders, (contender) => contender.read, { concurrency: 4 })
        const winners = contenders.filter((_, index) => answers[index] === "won")
        assert.lengthOf(winners, 1, answers.join())
        for (const answer of answers) {
          if (answer !== "won") assert.strictEqual(answer, String(winners[0]?.pid))
        }
      })
      for (let turn = 0; turn < 10; turn++) {
        yield* round(yield* folder)
        const stale = yield* folder
        yield* entry(stale, 7, 999_999_999, "gone")
        yield* round(stale)
      }
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer)), 60_000)

  it.live("does not take a reused process id for the owner", () =>
    Effect.gen(function*() {
      const directory = yield* folder
      yield* entry(directory, 3, process.pid, "another boot:1")
      yield* Effect.scoped(OwnerLock.acquire(directory))
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer)))

  it.live("does not stay blocked by an entry that was torn by a power failure", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const directory = yield* folder
      yield* fs.makeDirectory(`${directory}/postgres.owner`)
      yield* fs.writeFileString(`${directory}/postgres.owner/12`, "")
      yield* Effect.scoped(OwnerLock.acquire(directory))
      assert.deepStrictEqual(yield* fs.readDirectory(`${directory}/postgres.owner`), ["14"])
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer)))

  it.live("can be taken again after release, and leaves one small file", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const directory = yield* folder
      for (let turn = 0; turn < 20; turn++) yield* Effect.scoped(OwnerLock.acquire(directory))
      assert.lengthOf(yield* fs.readDirectory(`${directory}/postgres.owner`), 1)
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer)))
})
