/** Hot resources with one mistake each. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import type { Make } from "../hotResource.ts"

const made = (mistake: "counts in two steps" | "forgets the interrupted"): Make =>
  Effect.fnUntraced(function*({ build, initial }) {
    const lifetime = yield* Effect.scope
    const old = new Set<unknown>()
    const open = Effect.fnUntraced(function*(key: number, generation: number) {
      const scope = yield* Scope.fork(lifetime)
      const context = yield* Layer.buildWithScope(Layer.fresh(build(key)), scope).pipe(
        Effect.onError((cause) => Scope.close(scope, Exit.failCause(cause)))
      )
      return { key, generation, scope, context, unused: yield* Latch.make(true), users: 0 }
    })
    let serving = yield* open(initial, 1)
    const close = Effect.fnUntraced(function*(retired: typeof serving) {
      yield* retired.unused.await
      yield* Scope.close(retired.scope, Exit.void)
      old.delete(retired)
    })
    const current = Effect.sync(() => ({ generation: serving.generation, key: serving.key, users: serving.users }))
    const borrow = Effect.suspend(() => {
      const generation = serving
      generation.users += 1
      // the mistake: between the number and the latch somebody else has a turn
      return Effect.as(generation.unused.close, generation)
    })
    const giveBack = (generation: typeof serving) =>
      Effect.suspend(() => {
        generation.users -= 1
        return generation.users === 0 ? generation.unused.open : Effect.void
      })

    return {
      current,
      retired: Effect.succeed([]),
      settled: Effect.asVoid(Effect.repeat(Effect.sleep("1 second"), { while: () => old.size > 0 })),
      use: (work) =>
        mistake === "forgets the interrupted"
          ? Effect.flatMap(borrow, (generation) =>
            Effect.tap(Effect.provideContext(work, generation.context), () => giveBack(generation)))
          : Effect.acquireUseRelease(borrow, ({ context }) =>
            Effect.provideContext(work, context), giveBack),
      switchTo: Effect.fnUntraced(function*(key) {
        const next = yield* open(key, serving.generation + 1)
        old.add(serving)
        yield* Effect.forkIn(close(serving), lifetime)
        serving = next
        return yield* current
      })
    }
  })

export const countsInTwoSteps = made("counts in two steps")
export const forgetsTheInterrupted = made("forgets the interrupted")
