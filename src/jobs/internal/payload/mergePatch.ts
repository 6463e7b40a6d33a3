/** JSON merge patch as RFC 7396 has it: null takes a field away, an object is merged, all else takes the place. */
import type * as Schema from "effect/Schema"

export const mergePatch = (json: Schema.Json, patch: Schema.Json): Schema.Json => {
  if (!isRecord(patch)) return patch
  const merged = new Map(isRecord(json) ? Object.entries(json) : [])
  for (const [name, change] of Object.entries(patch)) {
    if (change === null) merged.delete(name)
    else merged.set(name, mergePatch(merged.get(name) ?? null, change))
  }
  // defines even `__proto__` as a field
  return Object.fromEntries(merged)
}

const isRecord = (json: Schema.Json): json is { readonly [key: string]: Schema.Json } =>
  typeof json === "object" && json !== null && !Array.isArray(json)
