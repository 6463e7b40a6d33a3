/**
 * A process that tries to own the directory named by each line on stdin, prints `won` or the owner's pid, and holds
 * what it won until the next line.
 */
// @effect-diagnostics strictEffectProvide:off -- this is an entry point
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { createInterface } from "node:readline"
import * as OwnerLock from "../../../src/store/internal/OwnerLock.ts"

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]()

const main = Effect.gen(function*() {
  let held = yield* Scope.make()
  while (true) {
    const line = yield* Effect.promise(() => lines.next())
    yield* Scope.close(held, Exit.void)
    if (line.done === true) return
    held = yield* Scope.make()
    const answer = yield* OwnerLock.acquire(line.value).pipe(
      Scope.provide(held),
      Effect.as("won"),
      Effect.catchTag("DataDirectoryInUse", ({ pid }) => Effect.succeed(String(pid)))
    )
    process.stdout.write(`${answer}\n`)
  }
})

NodeRuntime.runMain(Effect.provide(main, NodeServices.layer))
