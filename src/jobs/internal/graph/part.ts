/** What a job knows of the graph that it belongs to: in `meta.part`. */
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { type Job, JobId } from "../../Job.ts"

/** The job that closes a graph knows the jobs of all stages. */
const Closing = Schema.Struct({ graph: Schema.Record(Schema.String, JobId) })

export const closing = (stages: ReadonlyMap<string, JobId>): Schema.Json => ({ graph: Object.fromEntries(stages) })

/** The job of a stage knows the closing one. */
export const stage = (name: string, run: JobId): Schema.Json => ({ stage: name, run })

/** The stages of a closing job by name; undefined for every other job. */
export const stagesOf = (job: Job): ReadonlyMap<string, JobId> | undefined => {
  if (job.meta.part === undefined) return undefined
  const read = Schema.decodeUnknownOption(Closing)(job.meta.part)
  return Option.isNone(read) ? undefined : new Map(Object.entries(read.value.graph))
}
