import * as Effect from "effect/Effect"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"

setFlagsFromString("--expose-gc")
const collect: unknown = runInNewContext("gc")

/** Bytes of the heap that something still holds: what nobody does is collected first. */
export const heldBytes = Effect.sync(() => {
  if (typeof collect !== "function") throw new Error("the garbage collector cannot be asked")
  Reflect.apply(collect, undefined, [])
  return process.memoryUsage().heapUsed
})
