/**
 * What came for a member, as the worker sees it: each wish again with every beat, until it is acknowledged.
 */
import type * as Effect from "effect/Effect"
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

/** Beats as soon as something was put into the mailbox. Without notifications the next beat brings it. */
export const hear = (notifier: Notifier["Service"], member: number, enrolment: Enrolment): Effect.Effect<void> =>
  Stream.runForEach(notifier.listen(channels.mail(member), { poll: "1 hour" }), () => enrolment.nudge)
