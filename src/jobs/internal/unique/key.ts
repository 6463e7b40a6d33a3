/**
 * The key by which two jobs are the same: the SHA-256 of task, tenant and the chosen fields, independent of the order in
 * which fields were written.
 */
import type * as Schema from "effect/Schema"
import { hash } from "node:crypto"

export const keyOf = (
  task: string,
  tenant: string | null,
  payload: Schema.Json,
  by: ReadonlyArray<string> | undefined
) => hash("sha256", canonical([task, tenant, by === undefined ? payload : chosen(payload, by)]), "hex")

/** A field that is not there counts as null. */
const chosen = (payload: Schema.Json, by: ReadonlyArray<string>): Schema.Json =>
  Array.from(new Set(by)).sort().map((name) => [name, fieldOf(payload, name)])

const fieldOf = (payload: Schema.Json, name: string): Schema.Json =>
  isRecord(payload) && Object.hasOwn(payload, name) ? payload[name] ?? null : null

const isRecord = (json: Schema.Json): json is { readonly [key: string]: Schema.Json } =>
  typeof json === "object" && json !== null && !Array.isArray(json)

/** One text for all that are equal. */
export const canonical = (json: Schema.Json): string => {
  if (Array.isArray(json)) return `[${json.map(canonical).join(",")}]`
  if (!isRecord(json)) return JSON.stringify(json)
  return `{${
    Object.keys(json).sort().map((key) => `${JSON.stringify(key)}:${canonical(json[key] ?? null)}`).join(",")
  }}`
}
