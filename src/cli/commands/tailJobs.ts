/**
 * `ostinato jobs tail`: jobs as they come and change, until a signal ends it.
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as JobFilter from "ostinato/jobs/JobFilter"
import * as JobChanges from "ostinato/service/JobChanges"
import * as Application from "../Application.ts"
import * as JobOutput from "../JobOutput.ts"
import * as Output from "../Output.ts"
import * as Signals from "../Signals.ts"

interface Wish {
  readonly query: string
  readonly limit: number
  readonly output: Output.Format
  readonly json: boolean
}

/** On the database of the application. */
export const tailJobs = Effect.fn("cli.jobs.tail")(function*(wish: Wish) {
  yield* Signals.stopIsSuccess
  return yield* Application.on(yield* Application.load, tail(wish))
})

/** On a store that is there. The oldest change comes first, as one that reads along expects. */
export const tail = Effect.fnUntraced(function*(wish: Wish) {
  const filter = yield* JobFilter.parse(wish.query)
  // one line a job, also where JSON was asked for: a document would never end
  const format = Output.formatOf(wish) === "table" ? "table" : "ndjson"
  let isFirst = true
  const print = ({ jobs }: JobChanges.Change) =>
    Effect.suspend(() => {
      const head = isFirst
      isFirst = false
      return JobOutput.jobs(format, jobs.toReversed(), { head })
    })
  yield* Stream.runForEach(yield* JobChanges.watch(filter, wish.limit), print)
})
