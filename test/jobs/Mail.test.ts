/** What makes a member of the Postgres store beat before its time. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Ref from "effect/Ref"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import { Notifier } from "ostinato/store/Notifier"
import * as mail from "../../src/jobs/internal/postgres/mail.ts"

describe("a member of the Postgres store", () => {
  it.effect("G8 beats each second while it may miss that it is asked whether it lives", () =>
    Effect.gen(function*() {
      const state = yield* Ref.make<"connecting" | "listening">("listening")
      const beats = yield* Ref.make(0)
      const notifier = Notifier.of({
        carrier: "",
        state: Ref.get(state),
        notify: () => Effect.void,
        listen: () => Stream.never
      })
      yield* Effect.forkChild(mail.hear(notifier, 1, { nudge: Ref.update(beats, (n) => n + 1) }))
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual(yield* Ref.get(beats), 0)
      yield* Ref.set(state, "connecting")
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual(yield* Ref.get(beats), 2)
    }))
})
