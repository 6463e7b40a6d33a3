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
