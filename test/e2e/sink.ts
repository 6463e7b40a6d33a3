/** The work of the job tests: its effect is there once however often it runs. */
import * as Schema from "effect/Schema"
import { Task } from "ostinato"

export const Sink = Task.make("test.sink", {
  payload: {
    name: Schema.String,
    /** What it does after its effect: its first attempt never ends, or it takes a second and a half. */
    holds: Schema.Literals(["nothing", "a moment", "for ever"])
  }
})
