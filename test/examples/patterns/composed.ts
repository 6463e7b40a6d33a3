/** Tasks made of tasks: the value of one is the payload of the next, and what comes of it is a task again. */
import { Task } from "ostinato"
import type { Pattern } from "./pattern.ts"
import { Digests, List, Sum } from "./tasks.ts"

const Composed = Task.andThen(Task.andThen(Digests, List), Sum)

export const composed: Pattern = {
  name: "composed",
  shownBy: "digest",
  where: ({ attributes }) => attributes.get("fiber"),
  places: "fiber",
  run: (job) => Task.run(Composed, job)
}
