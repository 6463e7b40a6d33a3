/** A pipeline: two stages for the halves of the files, side by side, then the list, then its digest. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { Pipeline, Task } from "ostinato"
import type { Pattern } from "./pattern.ts"
import { Digests, List, Sum } from "./tasks.ts"

const Staged = Pipeline.make("patterns.staged", {
  payload: { folder: Schema.String, files: Schema.Array(Schema.String) }
}).pipe(
  Pipeline.stage("first", Digests, {
    after: [],
    input: ({ payload: { files, folder } }) => ({ folder, files: files.slice(0, files.length / 2) })
  }),
  Pipeline.stage("second", Digests, {
    after: [],
    input: ({ payload: { files, folder } }) => ({ folder, files: files.slice(files.length / 2) })
  }),
  Pipeline.stage("list", List, {
    after: ["first", "second"],
    input: ({ first, second }) => ({
      files: [...first.files, ...second.files],
      digests: [...first.digests, ...second.digests]
    })
  }),
  Pipeline.stage("sum", Sum, { input: ({ list }) => list })
)

export const staged: Pattern = {
  name: "staged",
  shownBy: "stage",
  where: ({ name }) => name,
  places: "stages",
  run: (job) => Effect.map(Task.run(Staged, job), ({ sum }) => sum)
}
