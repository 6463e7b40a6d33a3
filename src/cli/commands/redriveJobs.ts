/**
 * `ostinato jobs redrive`: gives discarded jobs another chance, at a rate, and with their payload edited if need be.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as JobFilter from "ostinato/jobs/JobFilter"
import * as JobQueue from "ostinato/jobs/JobQueue"
import * as Application from "../Application.ts"
import * as Input from "../Input.ts"
import * as JobOutcome from "../JobOutcome.ts"
import * as JobSelection from "../JobSelection.ts"

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
  const selection = yield* JobSelection.confirmed("redrive", { ...wish, query })
  if (selection === null) return
  const filter = "ids" in selection ? selection : { ...JobFilter.all, ids: selection }
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
