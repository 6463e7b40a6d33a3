/**
 * JSON as text that Postgres can hold.
 */
import * as StoredText from "../../../store/StoredText.ts"

/** Bytes. The client takes answers of up to 16 MiB; what is stored has to come back in one. */
export const largest = 8 * 1024 * 1024

/** Only such text can hold what Postgres refuses. */
export const isSuspect = (json: string): boolean => json.includes("\\u")

/** Characters that Postgres refuses are replaced. */
export const stored = (value: unknown): string => {
  const text = JSON.stringify(value)
  return isSuspect(text) ? JSON.stringify(StoredText.json(JSON.parse(text))) : text
}

/** Whether it can be read back. */
export const fits = (text: string): boolean => text.length * 3 <= largest || Buffer.byteLength(text) <= largest
