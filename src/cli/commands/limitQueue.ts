/**
 * `ostinato queues limit QUEUE`: how many of its jobs run at once, and how many start in a time, on all nodes together.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as DurationText from "ostinato/core/DurationText"
import type { LimitValues } from "ostinato/service/QueuesApi"
import * as QueueSummaries from "ostinato/service/QueueSummaries"
import * as Application from "../Application.ts"
import * as JobOutput from "../JobOutput.ts"
import * as Output from "../Output.ts"
import { UsageError } from "../UsageError.ts"

interface Wish {
  readonly queue: string
  readonly concurrency: Option.Option<number>
  readonly rate: Option.Option<string>
  readonly none: boolean
  readonly output: Output.Format
  readonly json: boolean
}

/** On the database of the application. */
export const limitQueue = Effect.fn("cli.queues.limit")(function*(wish: Wish) {
  const to = yield* limitOf(wish)
  return yield* Application.on(yield* Application.load, limit(wish, to))
})

/** On a store that is there. */
export const limit = Effect.fnUntraced(function*(wish: Wish, to: LimitValues | null) {
  yield* JobOutput.queue(Output.formatOf(wish), yield* QueueSummaries.limit(wish.queue, to))
})

/** What the flags ask for; null: no limit. */
export const limitOf = Effect.fnUntraced(function*({ concurrency, none, rate: text }: Wish) {
  if (none) return null
  const rate = Option.isNone(text) ? null : rateOf(text.value)
  const permits = Option.getOrNull(concurrency)
  if (rate === undefined || permits === null && rate === null) {
    return yield* new UsageError({
      detail: rate === undefined
        ? `--rate "${Option.getOrElse(text, () => "")}" is no rate: write a number and a time, e.g. 10/second or 600/5m`
        : "say what the limit is: --concurrency N, --rate 10/second, or --none to take it away"
    })
  }
  const values: LimitValues = { permits, rate }
  return values
})

// a burst is what may start at once after a pause: as much as the rate lets start in one of its times
const rateOf = (text: string): LimitValues["rate"] | undefined => {
  const [, number, per = ""] = /^\s*(\d{1,6})\s*\/\s*(.+?)\s*$/.exec(text) ?? []
  const units = Number(number)
  const time = DurationText.parse(/^[\dP]/.test(per) ? per : `1 ${per}`)
  return units > 0 && Result.isSuccess(time) && time.success > 0
    ? { units, perMs: time.success, burst: units }
    : undefined
}
