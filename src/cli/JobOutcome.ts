/**
 * What became of jobs that were to be changed: a line for each kind of outcome, or JSON with the ids. Where it was done for
 * some only, the command ends with 2; for none with 4, or with 3 where not one of them is there.
 */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Struct from "effect/Struct"
import { JobId } from "ostinato/jobs/Job"
import * as JobSelection from "./JobSelection.ts"
import * as Output from "./Output.ts"
import { NothingDone, PartlyDone } from "./PartlyDone.ts"

/** Every kind of outcome: its name in JSON, and its words. */
const kinds = {
  cancelled: "cancelled",
  askedToStop: "asked to stop",
  dueNow: "due now",
  redriven: "redriven",
  askedBefore: "asked to stop before",
  endedBefore: "ended already",
  unchanged: "completed, running or due already",
  redrivenBefore: "redriven before",
  refused: "refused",
  notDiscarded: "not discarded",
  notThere: "not there"
} as const

type Kind = keyof typeof kinds

type Outcomes = Readonly<Partial<Record<Kind, ReadonlyArray<JobId>>>>

/** Prints the outcome, and fails where it was not done for all. In JSON each kind is there, also where it is empty. */
export const print = Effect.fnUntraced(function*(
  wish: { readonly output: Output.Format; readonly json: boolean },
  { done, not }: { readonly done: Outcomes; readonly not: Outcomes }
) {
  const format = Output.formatOf(wish)
  if (format === "table") {
    for (const [kind, ids] of some({ ...done, ...not })) {
      yield* Console.log(`${JobSelection.jobs(ids.length)} ${kinds[kind]}`)
    }
  } else yield* json(format, { ...done, ...not })
  const failed = some(not)
  if (failed.length === 0) return
  const detail = failed.map(([kind, ids]) => `${JobSelection.jobs(ids.length)} ${kinds[kind]}: ${shown(ids)}`).join(
    "; "
  )
  if (some(done).length > 0) return yield* new PartlyDone({ detail })
  return yield* failed.every(([kind]) => kind === "notThere")
    ? new JobSelection.NoJobs({ detail })
    : new NothingDone({ detail })
})

const some = (outcomes: Outcomes) =>
  Struct.keys(outcomes).flatMap((kind) => {
    const ids = outcomes[kind] ?? []
    return ids.length === 0 ? [] : [[kind, ids] as const]
  })

const json = Output.one(
  Schema.Record(Schema.Literals(Struct.keys(kinds)), Schema.optionalKey(Schema.Array(JobId))),
  {}
)

const shown = (ids: ReadonlyArray<JobId>) => ids.length <= 5 ? ids.join(", ") : `${ids.slice(0, 5).join(", ")}, …`
