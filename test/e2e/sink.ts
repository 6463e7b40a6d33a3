/** The work of the job tests: its effect is there once however often it runs. */
import * as Schema from "effect/Schema"
import { Task } from "ostinato"

export const Sink = Task.make("test.sink", {
  payload: {
    name: Schema.String,
    /**
     * What it does after its effect: its first attempt never ends, it takes a second and a half or a fiftieth, or it waits
     * until there is an effect named `gate`.
     */
    holds: Schema.Literals(["nothing", "a blink", "a moment", "the gate", "for ever"])
  }
})
