/** What processes whose clocks are wrong work on. */
import * as Schema from "effect/Schema"
import * as Task from "ostinato/core/Task"

export const Timely = Task.make("test.timely", { payload: { name: Schema.String } })
