/**
 * Where a request stands, from its arrival to its one end.
 *
 *   queued --a slot is free--> pending --handler returned "later"--> deferred
 *      |                          |                                     |
 *      +--------------------------+-----------------+-------------------+
 *                                                   |
 *       completed | cancelled | timeout | disconnected          pending | deferred --head of a stream--> streaming
 *
 * A request ends exactly once, and at most one response is sent for it: whoever ends it first decides.
 */
import * as Schema from "effect/Schema"

/**
 * The state of a request. `completed` tells that an answer was given, whatever its status; `timeout` that its time was up;
 * `cancelled` that somebody or a shutdown ended it; `disconnected` that its client was gone before.
 *
 * @category models
 */
export const RequestState = Schema.Literals([
  "queued",
  "pending",
  "deferred",
  "streaming",
  "completed",
  "cancelled",
  "timeout",
  "disconnected"
])

/**
 * @category models
 */
export type RequestState = typeof RequestState.Type

/**
 * One that a request ends in.
 *
 * @category models
 */
export type EndState = "completed" | "cancelled" | "timeout" | "disconnected"

/**
 * Whether a request in this state has not ended.
 *
 * @category guards
 */
export const isOpen = (state: RequestState): state is Exclude<RequestState, EndState> =>
  state === "queued" || state === "pending" || state === "deferred" || state === "streaming"

/**
 * A request as operators see it. Neither its query nor its headers are told: they may hold secrets.
 *
 * @category models
 */
export const RequestSummary = Schema.Struct({
  /** A UUID. */
  id: Schema.String,
  method: Schema.String,
  /** As it was registered, e.g. `/orders/:id`. */
  route: Schema.String,
  state: RequestState,
  startedAt: Schema.DateTimeUtc,
  /** Milliseconds since its arrival, until its end. */
  ageMs: Schema.Finite,
  /** Whether its client waited for the answer, now or at its end. */
  connected: Schema.Boolean,
  /** Of its answer; null before, and where nobody was there to read it. */
  status: Schema.NullOr(Schema.Int),
  /** Why it ended as it did; null where its handler decided. */
  reason: Schema.NullOr(Schema.String)
})

/**
 * @category models
 */
export type RequestSummary = typeof RequestSummary.Type
