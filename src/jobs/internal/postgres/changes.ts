/**
 * Tells that something about jobs may have changed, on any node: for pages that show them. Never what, and at most four
 * times a second however much happens.
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { Notifier } from "../../../store/Notifier.ts"

/** Whatever changes jobs tells this channel as well. */
export const channel = "jobs/changes"

/** Without notifications, and for what happens by itself (a lease that runs out): every two seconds. */
export const make = (notifier: Notifier["Service"]): Stream.Stream<void> =>
  Stream.mapEffect(notifier.listen(channel, { poll: "2 seconds" }), () => Effect.sleep("250 millis"))
