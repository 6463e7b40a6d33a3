/** A pipeline as jobs: one for each stage and one that closes, in one call of the store. */
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import type { PipelineStages } from "../../../core/PipelineStages.ts"
import type { Any } from "../../../core/Task.ts"
import type { Trigger } from "../../../core/TaskRun.ts"
import { type JobId, millisOf } from "../../Job.ts"
import type { JobOptions, JobRequest, Parent } from "../../JobOptions.ts"
import { type Enqueued, JobStore } from "../../JobStore.ts"
import * as id from "../payload/id.ts"
import { type EnqueueError, insert as insertJobs } from "../payload/insert.ts"
import * as Part from "./part.ts"
import { stageName, StagePayload } from "./work.ts"

export interface GraphOptions {
  /** Of the closing job and of all stages, but for those that `queues` names. Defaults to `default`. */
  readonly queue?: string | undefined
  /** Queues of single stages, by name. */
  readonly queues?: { readonly [stage: string]: string } | undefined
  readonly priority?: JobOptions<unknown>["priority"]
  /** How long from now until the first stages are due. Defaults to now. */
  readonly delay?: JobOptions<unknown>["delay"]
  /** When the first stages are due, in place of `delay`. */
  readonly at?: JobOptions<unknown>["at"]
  /** Of each job. */
  readonly maxAttempts?: number | undefined
  readonly deadline?: JobOptions<unknown>["deadline"]
  readonly tags?: ReadonlyArray<string> | undefined
  readonly tenant?: string | undefined
  /** What each stage obeys. Defaults to the concurrency of the pipeline, where it has one. */
  readonly limit?: JobOptions<unknown>["limit"]
  /** Of the run: a second enqueue with it makes no second run. */
  readonly id?: JobId | undefined
  /** Jobs that the first stages come after. */
  readonly after?: ReadonlyArray<Parent> | undefined
  readonly trigger?: Trigger | undefined
}

export interface Graph {
  readonly pipeline: Any
  readonly stages: PipelineStages<unknown>
  readonly payload: unknown
  readonly options: GraphOptions & { readonly unique?: JobRequest["options"]["unique"] }
  /** Jobs of stages that have completed, which are not run again. */
  readonly done: ReadonlyMap<string, JobId>
}

/** The answer for the closing job. */
export const insert = (graph: Graph, run: JobId): Effect.Effect<Enqueued, EnqueueError, JobStore> =>
  Effect.gen(function*() {
    const store = yield* JobStore
    const limit = graph.options.limit ?? (yield* concurrency(graph, run))
    const { parts, requests } = requestsOf(graph, run, limit)
    const inserted = Effect.map(insertJobs(requests, { parts }), (answers) => answers.at(-1))
    if (graph.options.unique === undefined) return yield* Effect.flatMap(inserted, given)
    // of a run that is a duplicate nothing may stay
    return yield* store.transaction(
      Effect.flatMap(
        inserted,
        (answer) => answer?.duplicate === true && answer.id !== run ? Effect.fail(new Taken(answer)) : given(answer)
      )
    ).pipe(Effect.catchIf((error) => error instanceof Taken, (error) => Effect.succeed(error.by)))
  })

class Taken {
  readonly by: Enqueued
  constructor(by: Enqueued) {
    this.by = by
  }
}

const given = (answer: Enqueued | undefined) =>
  answer === undefined ? Effect.die("the store gave no answer") : Effect.succeed(answer)

const requestsOf = ({ done, options, payload, pipeline, stages }: Graph, run: JobId, limit: GraphOptions["limit"]) => {
  const { after, at, delay, id: _, limit: _limit, queue, queues, unique, ...every } = options
  const ids = new Map(stages.stages.map(({ name }) => [
    name,
    done.get(name) ?? id.derived(`${run} ${name}`, millisOf(run))
  ]))
  const own = stages.stages.filter(({ name }) => !done.has(name))
  const parentsOf = (names: ReadonlyArray<string>) =>
    names.filter((name) => !done.has(name)).flatMap((name): ReadonlyArray<Parent> => {
      const request = requests.get(name)
      return request === undefined ? [] : [{ job: request, on: "any" }]
    })
  const requests = new Map<string, JobRequest>()
  for (const stage of own) {
    const before = parentsOf(stage.after)
    const first = before.length === 0 ? { delay, at, after } : { after: before }
    requests.set(stage.name, {
      task: { ...stage.task, name: stageName(pipeline.name, stage.name), payload: StagePayload },
      payload: { run },
      options: { ...every, ...first, queue: queues?.[stage.name] ?? queue, limit, id: ids.get(stage.name) }
    })
  }
  const closing: JobRequest = {
    task: pipeline,
    payload,
    options: { ...every, queue, unique, id: run, after: parentsOf(own.map(({ name }) => name)) }
  }
  return {
    requests: [...requests.values(), closing],
    parts: [...own.map(({ name }) => Part.stage(name, run)), Part.closing(ids)]
  }
}

/** As many stages of a run at once as the pipeline says: a limit whose key is the run. */
const concurrency = Effect.fnUntraced(function*({ pipeline, stages }: Graph, run: JobId) {
  if (stages.concurrency === undefined) return undefined
  const store = yield* JobStore
  const limit = { name: `pipeline ${pipeline.name}`, permits: Math.max(1, stages.concurrency), rate: null }
  const known = (yield* store.limits.list).find(({ name }) => name === limit.name)
  if (known === undefined || !Equal.equals(known, limit)) yield* store.limits.set(limit)
  return { name: limit.name, key: run }
})
