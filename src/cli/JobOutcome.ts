/**
 * What became of jobs that were to be changed: a line for each kind of outcome, or JSON with the ids. Where it was done for
 * some only, the command ends with 2; for none with 4, or with 3 where not one of them is there.
 */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { JobId } from "ostinato/jobs/Job"
import * as JobSelection from "./JobSelection.ts"
import * as Output from "./Output.ts"
import { NothingDone, PartlyDone } from "./PartlyDone.ts"

type Kinds = Readonly<Record<string, ReadonlyArray<JobId>>>

/** Prints the outcome, and fails where it was not done for all. */
export const print = Effect.fnUntraced(function*(
  wish: { readonly output: Output.Format; readonly json: boolean },
  { done, not }: { readonly done: Kinds; readonly not: Kinds }
) {
  const format = Output.formatOf(wish)
  const all = Object.entries({ ...done, ...not }).filter(([, ids]) => ids.length > 0)
  if (format === "table") {
    for (const [kind, ids] of all) yield* Console.log(`${JobSelection.jobs(ids.length)} ${kind}`)
  } else yield* json(format, Object.fromEntries(all))
  const failed = Object.entries(not).filter(([, ids]) => ids.length > 0)
  if (failed.length === 0) return
  const detail = failed.map(([kind, ids]) => `${JobSelection.jobs(ids.length)} ${kind}: ${shown(ids)}`).join("; ")
  if (Object.values(done).some((ids) => ids.length > 0)) return yield* new PartlyDone({ detail })
  return yield* failed.every(([kind]) => kind === "not there")
    ? new JobSelection.NoJobs({ detail })
    : new NothingDone({ detail })
})

const json = Output.one(Schema.Record(Schema.String, Schema.Array(JobId)), {})

const shown = (ids: ReadonlyArray<JobId>) => ids.length <= 5 ? ids.join(", ") : `${ids.slice(0, 5).join(", ")}, …`
