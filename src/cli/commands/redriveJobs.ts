/**
 * `ostinato jobs redrive`: gives discarded jobs another chance, at a rate, and with their payload edited if need be.
 */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Formatter from "effect/Formatter"
import * as Option from "effect/Option"
import type * as Schema from "effect/Schema"
import type { JobId } from "ostinato/jobs/Job"
import * as JobFilter from "ostinato/jobs/JobFilter"
import * as JobQueue from "ostinato/jobs/JobQueue"
import { EditedPayload, Redriven } from "ostinato/service/JobsApi"
import * as RedriveSample from "ostinato/service/RedriveSample"
import * as Application from "../Application.ts"
import * as Input from "../Input.ts"
import * as JobOutcome from "../JobOutcome.ts"
import * as JobSelection from "../JobSelection.ts"
import * as Output from "../Output.ts"

interface Wish extends JobSelection.Wish {
  readonly edit: Option.Option<string>
  readonly rate: Option.Option<number>
}

/** On the database of the application. */
export const redriveJobs = Effect.fn("cli.jobs.redrive")(function*(wish: Wish) {
  return yield* Application.on(yield* Application.load, redrive(wish))
})

/** On a store that is there. */
export const redrive = Effect.fnUntraced(function*(wish: Wish) {
  const patch = Option.isNone(wish.edit) ? undefined : yield* Input.json("--edit", wish.edit.value)
  const query = Option.map(wish.query, (text) => /(^|\s)state:/.test(text) ? text : `state:discarded ${text}`)
  if (wish.dryRun && patch !== undefined) return yield* preview({ ...wish, query }, patch)
  const selection = yield* JobSelection.confirmed("redrive", { ...wish, query })
  if (selection === null) return
  const filter = filterOf(selection)
  const { before, redriven, refused } = yield* JobQueue.redrive(filter, {
    perSecond: Option.getOrUndefined(wish.rate),
    edit: patch === undefined ? undefined : { patch }
  })
  const said = new Set([...before, ...redriven, ...refused.map(({ id }) => id)])
  const others = patch !== undefined || "ids" in selection ? [] : selection.filter((id) => !said.has(id))
  yield* JobOutcome.print(wish, {
    done: { redriven },
    not: { redrivenBefore: before, refused: refused.map(({ id }) => id), notDiscarded: others }
  })
})

const filterOf = (selection: ReadonlyArray<JobId> | JobFilter.JobFilter): JobFilter.JobFilter =>
  "ids" in selection ? selection : { ...JobFilter.all, ids: selection }

/** What the edit would make of the payloads: all that is known in JSON, one of them in words. */
const preview = Effect.fnUntraced(function*(wish: Wish, patch: Schema.Json) {
  const { selection, what } = yield* JobSelection.meant("redrive", wish)
  const { found, more, refused, sample } = yield* JobQueue.redrive(filterOf(selection), {
    edit: { patch },
    dryRun: true
  })
  const shown = yield* RedriveSample.shown(sample)
  const format = Output.formatOf(wish)
  if (format !== "table") return yield* print(format, { found, done: 0, dryRun: true, more, refused, sample: shown })
  yield* Console.log(`would ${what}`)
  const [first] = shown
  if (first !== undefined) yield* example("table", first)
})

const print = Output.one(Redriven, {})

const example = Output.one(EditedPayload, {
  job: ({ id }) => id,
  before: ({ before }) => Formatter.formatJson(before),
  after: ({ after }) => Formatter.formatJson(after)
})
