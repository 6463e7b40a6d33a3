/**
 * Tells that something about jobs may have changed, on any node: for pages that show them. Never what, and at most four
 * times a second however much happens.
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { Notifier } from "../../../store/Notifier.ts"
import * as channels from "./channels.ts"

/** Without notifications, and for what happens by itself (a lease that runs out): every two seconds. */
export const make = (notifier: Notifier["Service"]): Stream.Stream<void> =>
  Stream.mapEffect(notifier.listen(channels.changes, { poll: "2 seconds" }), () => Effect.sleep("250 millis"))
