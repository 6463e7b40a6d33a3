/**
 * The end of a pool: it takes no more, lets what it has end, then asks it to stop, then lets it go. Takes at most
 * drain + grace, whatever the work does.
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { PoolReport } from "../../TaskPool.ts"
import type { Engine } from "./Engine.ts"
import { statusOf } from "./settings.ts"
import type { Submission } from "./Submission.ts"

export const shutdown = (
  engine: Engine,
  drain: Duration.Input,
  grace: Duration.Input
): Effect.Effect<PoolReport> =>
  Effect.gen(function*() {
    engine.close()
    const before = engine.inFlight
    yield* Effect.timeoutOption(idle(engine), drain)
    const late = [...engine.pending(), ...engine.active.all()]
    const reason = `pool ${engine.name} was shut down`
    for (const submission of late) {
      engine.stop(submission, submission.place === "running" ? reason : `${reason} before it began`)
    }
    yield* Effect.timeoutOption(idle(engine), grace)
    const stuck = new Set(engine.active.all())
    for (const submission of stuck) engine.abandon(submission)
    engine.rest()
    const interrupted = late.filter((submission) => !stuck.has(submission) && isInterrupted(submission)).length
    return { completed: before - interrupted - stuck.size, interrupted, abandoned: stuck.size }
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

const isInterrupted = ({ exit }: Submission): boolean =>
  exit !== undefined && exit._tag === "Failure" && statusOf(exit) === "interrupted"
