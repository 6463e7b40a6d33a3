/**
 * The end of a worker: it claims no more, gives back what it has not begun, lets what runs end, asks the rest to stop and
 * gives that back unspent, lets go of what ignores it, and tells the store about all of it. It takes at most drain + grace
 * + 1 second, whatever handlers and the store do.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Drain from "../../../core/Drain.ts"
import type { Crew } from "./Crew.ts"
import type { Engine } from "./Engine.ts"

/** What became of the attempts that ran when a stop began. */
export interface Stopped {
  readonly completed: number
  readonly handedBack: number
  readonly abandoned: number
  /** Ends that the store could not be told of: their jobs run again. */
  readonly unrecorded: number
}

export const stopping = Effect.fnUntraced(function*(engine: Engine, crew: Crew, { drain, grace }: {
  readonly drain: Duration.Duration
  readonly grace: Duration.Duration
}) {
  const before = engine.running
  engine.close()
  yield* Effect.timeoutOption(idle(engine), drain)
  const late = engine.running
  engine.interrupt(Duration.toMillis(grace))
  yield* Effect.timeoutOption(idle(engine), grace)
  engine.abandonAll()
  const { abandoned } = engine
  yield* Effect.timeoutOption(idle(engine), "500 millis")
  const unrecorded = engine.results.size
  yield* Drain.atMost("400 millis")(crew.leave)
  return { completed: before - late, handedBack: late - abandoned, abandoned, unrecorded } satisfies Stopped
})

const idle = (engine: Engine): Effect.Effect<void> =>
  Effect.callback<void>((resume) => {
    if (engine.isIdle) return resume(Effect.void)
    const off = engine.onIdle(() => {
      off()
      resume(Effect.void)
    })
    return Effect.sync(off)
  })
