/**
 * What a bound handler is made of: an executor that runs it again and again puts the services of its Layer around it once
 * rather than at every attempt.
 */
import type * as Context from "effect/Context"
import type * as Effect from "effect/Effect"

interface Parts {
  /** The services that were there when its Layer was built. */
  readonly captured: Context.Context<never>
  /** Needs what was captured, and what an attempt has. */
  readonly handle: (payload: never) => Effect.Effect<unknown, unknown, unknown>
}

const parts = new WeakMap<object, Parts>()

/** Says of which parts a handle is made. */
export const made = <Handle extends object, R>(
  handle: Handle,
  captured: Context.Context<R>,
  run: Parts["handle"]
): Handle => {
  parts.set(handle, { captured, handle: run })
  return handle
}

/** The parts of a handle; none for one that is composed of others. */
export const partsOf = (handle: object): Parts | undefined => parts.get(handle)
