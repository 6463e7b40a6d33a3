/** Effects that are plain values already: most payloads are read and most results written without a single step. */
import type * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"

/** The success that an effect is, if it is one. */
export const immediate = <A, E>(effect: Effect.Effect<A, E>): Exit.Success<A, E> | undefined =>
  // an effect that is an exit is one of its own types, which the guard forgets
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- as said
  Exit.isExit(effect) && Exit.isSuccess(effect) ? effect as Exit.Success<A, E> : undefined
