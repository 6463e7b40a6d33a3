/** One step after the other, as written: each `yield*` waits, and the first failure ends it. */
import * as Effect from "effect/Effect"
import * as Digest from "./digest.ts"
import type { Pattern } from "./pattern.ts"

export const generator: Pattern = {
  name: "generator",
  shownBy: "digest",
  where: ({ attributes }) => attributes.get("fiber"),
  places: "fiber",
  run: ({ files, folder }) =>
    Effect.gen(function*() {
      const digests: Array<string> = []
      for (const file of files) digests.push(yield* Digest.ofFile(folder, file))
      return Digest.ofText(Digest.list(files, digests))
    })
}
