/**
 * `ostinato runs cancel RUN`: asks a run to stop, whichever process on the database holds it. Needs no running service.
 */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { RunLog } from "ostinato/core/RunLog"
import type { TaskRun } from "ostinato/core/TaskRun"
import * as Application from "../Application.ts"

/** The log has no such run. */
export class RunUnknown extends Schema.TaggedError<RunUnknown>()("RunUnknown", { run: Schema.String }) {
  override get message() {
    return `no run has the id "${this.run}": the ids of runs are at /api/v1/runs of a running service`
  }
}

/** The run came to its end before anybody asked. */
export class RunOver extends Schema.TaggedError<RunOver>()("RunOver", { run: Schema.String, status: Schema.String }) {
  override get message() {
    return `run ${this.run} has ended as ${this.status}: there is nothing to cancel`
  }
}

/** What is asked. */
interface Wish {
  readonly run: string
  readonly actor: Option.Option<string>
  readonly reason: Option.Option<string>
}

/** Asks, and prints who is the one that cancelled the run: whoever asked first. */
export const cancelRun = Effect.fn("cli.runs.cancel")(function*(wish: Wish) {
  return yield* Application.on(yield* Application.load, ask(wish))
})

/** Asks on a log that is there. */
export const ask = Effect.fnUntraced(function*(wish: Wish) {
  const log = yield* RunLog
  const by = { actor: Option.getOrNull(wish.actor), reason: Option.getOrNull(wish.reason) }
  const answer = yield* log.cancel(wish.run, by)
  const run = yield* log.get(wish.run)
  if (answer === "unknown" || run === null) return yield* new RunUnknown({ run: wish.run })
  if (answer === "ended") return yield* new RunOver({ run: wish.run, status: run.status })
  yield* Console.log(
    `${run.task} ${answer === "requested" ? "is" : "was already"} asked to stop${
      said(answer === "requested" ? by : run.cancellation)
    } (run ${run.id})`
  )
})

const said = (by: TaskRun["cancellation"]) =>
  by === null
    ? ""
    : `${by.actor === null ? "" : ` by ${by.actor}`}${by.reason === null ? "" : `: ${by.reason}`}`
