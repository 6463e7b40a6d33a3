/**
 * The request that is being answered, as code that answers it sees it. Only `RequestRegistry.layerTracked` provides it, so a
 * handler that needs it and is not tracked does not compile.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type { RequestState } from "./RequestState.ts"

/**
 * A tracked request.
 *
 * @category services
 */
export class ActiveRequest extends Context.Service<ActiveRequest, {
  /** A UUID. */
  readonly id: string
  readonly method: string
  /** As it was registered, e.g. `/orders/:id`. */
  readonly route: string
  readonly state: Effect.Effect<RequestState>
  /** Whether its client still waits for the answer. */
  readonly isConnected: Effect.Effect<boolean>
  /** Ends when its client is gone; never, where the answer is sent before. */
  readonly disconnected: Effect.Effect<void>
  /** Aborts when its client is gone, its time is up or it is cancelled: for APIs that take one. */
  readonly signal: AbortSignal
}>()("ostinato/http/ActiveRequest") {}
