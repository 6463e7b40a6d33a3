/**
 * Payloads in their JSON form. What is needed for a task is made once; payloads that are their own JSON form are checked and
 * copied, and all others go through the Schema.
 */
import type * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schema from "effect/Schema"
import type { Any } from "../../../core/Task.ts"
import * as flatPayload from "./flatPayload.ts"

type Encode = (payload: unknown) => Effect.Effect<Schema.Json | undefined, unknown>

const encoders = new WeakMap<Any, Encode>()

/** At once, where the Schema needs no time. */
export const encoded = (task: Any, payload: unknown): ReturnType<Encode> => {
  let encode = encoders.get(task)
  if (encode === undefined) {
    encode = encoderOf(task)
    encoders.set(task, encode)
  }
  // a payload with getters of its own may throw
  try {
    return encode(payload)
  } catch (error) {
    return Exit.die(error)
  }
}

const encoderOf = (task: Any): Encode => {
  const codec = Schema.toCodecJson(task.payload)
  const bySchema: Encode = Schema.encodeUnknownEffect(codec)
  const flat = flatPayload.reader(codec.ast)
  if (flat === undefined) return bySchema
  return (payload) => {
    const copy = flat(payload)
    return copy === undefined ? bySchema(payload) : Exit.succeed(copy)
  }
}
