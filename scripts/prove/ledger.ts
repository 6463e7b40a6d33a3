/**
 * What the processes of a suite write about themselves: lines in a file of each process, written before anything else
 * happens. The page cache outlives a killed process, so the files tell what happened whatever the database says.
 */
import * as Schema from "effect/Schema"
import { appendFileSync, readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"

/** Writes lines of this shape into a file. */
export const writer = <A, I>(shape: Schema.Codec<A, I>, file: string): (line: A) => void => {
  const encode = Schema.encodeSync(Schema.fromJsonString(shape))
  return (line) => appendFileSync(file, `${encode(line)}\n`)
}

/** All lines of all processes, in the order of each file. */
export const readAll = <A, I>(shape: Schema.Codec<A, I>, folder: string): ReadonlyArray<A> => {
  const decode = Schema.decodeSync(Schema.fromJsonString(shape))
  return readdirSync(folder).filter((file) => file.endsWith(".jsonl")).flatMap((file) =>
    readFileSync(join(folder, file), "utf8").split("\n").filter((line) => line !== "").map((line) => decode(line))
  )
}
