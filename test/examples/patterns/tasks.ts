/** The steps as tasks, for the patterns that compose tasks. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { Task } from "ostinato"
import * as Digest from "./digest.ts"

const files = Schema.Array(Schema.String)

/** Digests of some of the files, one after the other. */
export const Digests = Task.fn("patterns.digests", {
  payload: { folder: Schema.String, files },
  success: Schema.Struct({ files, digests: Schema.Array(Schema.String) })
}, ({ files, folder }) =>
  Effect.map(
    Effect.forEach(files, (file) => Digest.ofFile(folder, file)),
    (digests) => ({ files, digests })
  ))

/** The list that `sha256sum` prints. */
export const List = Task.fn("patterns.list", {
  payload: { files, digests: Schema.Array(Schema.String) },
  success: Schema.Struct({ text: Schema.String })
}, ({ digests, files }) => Effect.succeed({ text: Digest.list(files, digests) }))

/** The digest of the list. */
export const Sum = Task.fn(
  "patterns.sum",
  { payload: { text: Schema.String }, success: Schema.String },
  ({ text }) => Effect.succeed(Digest.ofText(text))
)
