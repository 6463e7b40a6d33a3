/** Supervisors with one mistake each. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import { Supervisor } from "ostinato"

type Start = Supervisor.Supervisor["Service"]["start"]

const seldom = Schedule.spaced("1 second")

const withStart = (start: Start) =>
  Layer.effect(Supervisor.Supervisor, Effect.map(Supervisor.Supervisor, ({ status }) => ({ status, start }))).pipe(
    Layer.provide(Supervisor.layer)
  )

/** A loop that dies instead of failing does not come back. */
export const forgetsDefects = withStart((_, loop, options) =>
  Effect.asVoid(Effect.forkScoped(Effect.retry(loop, options?.restart ?? seldom)))
)

/** Loops outlive the scope in which they were started. */
export const outlivesItsScope = withStart((_, loop, options) =>
  Effect.asVoid(Effect.forkDetach(Effect.retry(Effect.sandbox(loop), options?.restart ?? seldom)))
)
