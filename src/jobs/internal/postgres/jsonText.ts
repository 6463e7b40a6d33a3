/**
 * JSON as text that Postgres can hold.
 */
import * as StoredText from "../../../store/StoredText.ts"

/** Only such text can hold what Postgres refuses. */
export const isSuspect = (json: string): boolean => json.includes("\\u")

/** Characters that Postgres refuses are replaced. */
export const stored = (value: unknown): string => {
  const text = JSON.stringify(value)
  return isSuspect(text) ? JSON.stringify(StoredText.json(JSON.parse(text))) : text
}
