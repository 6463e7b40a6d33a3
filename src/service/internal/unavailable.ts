/**
 * What a client is told where the database does not answer; the log says more.
 */
import * as Effect from "effect/Effect"
import { StoreUnavailable } from "../ApiProblem.ts"

/** Logs why, and fails with the problem. */
export const unavailable = (error: { readonly message: string }): Effect.Effect<never, StoreUnavailable> =>
  Effect.andThen(Effect.logWarning(error.message), new StoreUnavailable({}))
