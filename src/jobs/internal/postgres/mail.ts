/**
 * What came for a member, as the worker sees it: each wish again with every beat, until it is acknowledged.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { Cancellation } from "../../../core/TaskRun.ts"
import type { Notifier } from "../../../store/Notifier.ts"
import { JobId } from "../../Job.ts"
import type { Mail } from "../../JobStore.ts"
import * as channels from "./channels.ts"
import type { Enrolment } from "./heartbeat.ts"
import type { Letter } from "./heartbeatProtocol.ts"

const decode = Schema.decodeUnknownOption(Cancellation)

/** A wish whose reason cannot be read is one all the same. */
export const read = ({ job, reason }: Letter): Mail => {
  const by = decode(reason)
  return { id: JobId.make(job), by: by._tag === "Some" ? by.value : { actor: null, reason: null } }
}

/**
 * Beats as soon as something was put into the mailbox, or somebody asks whether this member lives. Without notifications the
 * next beat brings it; while they are only interrupted, that comes within a second, before two sweeps have gone by.
 */
export const hear = (
  notifier: Notifier["Service"],
  member: number,
  enrolment: Pick<Enrolment, "nudge">
): Effect.Effect<void> =>
  Effect.raceFirst(
    Stream.runForEach(notifier.listen(channels.mail(member), { poll: "1 hour" }), () => enrolment.nudge),
    Effect.forever(Effect.delay(
      Effect.flatMap(notifier.state, (state) => state === "connecting" ? enrolment.nudge : Effect.void),
      "1 second"
    ))
  )
