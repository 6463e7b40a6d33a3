/** Files side by side, eight fibers at a time. One failure interrupts the others. */
import * as Effect from "effect/Effect"
import * as Digest from "./digest.ts"
import type { Pattern } from "./pattern.ts"

export const parallel: Pattern = {
  name: "parallel",
  shownBy: "digest",
  where: ({ attributes }) => attributes.get("fiber"),
  places: "fibers",
  run: ({ files, folder }) =>
    Effect.map(
      Effect.forEach(files, (file) => Digest.ofFile(folder, file), { concurrency: 8 }),
      (digests) => Digest.ofText(Digest.list(files, digests))
    )
}
