/** Runs what code of a thread gave as an Effect: a typed failure is thrown as it is, and an abort interrupts it. */
// @effect-diagnostics asyncFunction:off -- the thread's side has no Effect around it
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"

export const run = async (effect: object, signal: AbortSignal): Promise<unknown> => {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- recognised by its type id
  const exit = await Effect.runPromiseExit(effect as Effect.Effect<unknown, unknown>, { signal })
  if (Exit.isSuccess(exit)) return exit.value
  throw Cause.squash(exit.cause)
}
