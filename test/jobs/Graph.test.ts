import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import { Pipeline, RunContext, Task } from "ostinato"
import { Job, JobControl, JobFilter, JobGraph, JobQueue, JobWorker } from "ostinato/jobs"
import { pass, reaches, settle, store, until } from "./Working.ts"

class Busy extends Schema.TaggedError<Busy>()("Busy", { where: Schema.String }) {}

const Repositories = Task.make("repositories", {
  payload: { platform: Schema.String },
  success: Schema.Struct({ updated: Schema.Int }),
  error: Busy
})
const Accounts = Task.make("accounts", { payload: { changed: Schema.Int }, success: Schema.Int })
const Traffic = Task.make("traffic", { payload: { platform: Schema.String }, success: Schema.String, error: Busy })
const Summary = Task.make("summary", { payload: { text: Schema.String }, success: Schema.String })

const Sync = Pipeline.make("sync", { payload: { platform: Schema.String } }).pipe(
  Pipeline.stage("repositories", Repositories, { input: ({ payload }) => payload }),
  Pipeline.stage("accounts", Accounts, { input: ({ repositories }) => ({ changed: repositories.updated }) }),
  Pipeline.stage("traffic", Traffic, { after: [], input: ({ payload }) => payload }),
  Pipeline.stage("summary", Summary, {
    after: ["accounts", "traffic"],
    onParentFailure: { traffic: "continue" },
    input: ({ accounts, traffic }) => ({
      text: `${accounts} accounts, traffic ${Result.isSuccess(traffic) ? traffic.success : traffic.failure._tag}`
    })
  })
)

const Short = Pipeline.make("short", { payload: { platform: Schema.String } }).pipe(
  Pipeline.stage("repositories", Repositories, { input: ({ payload }) => payload }),
  Pipeline.stage("summary", Summary, { input: ({ repositories }) => ({ text: `${repositories.updated}` }) }),
  Pipeline.output(Schema.String, ({ summary }) => `short: ${summary}`)
)

interface Handlers {
  readonly repositories?: Effect.Effect<{ readonly updated: number }, Busy>
  readonly traffic?: Effect.Effect<string, Busy>
  readonly accounts?: (changed: number) => Effect.Effect<number>
}

/** The names of stages in the order in which they ran. */
const handlers = (ran: Array<string>, { accounts, repositories, traffic }: Handlers = {}) =>
  Layer.mergeAll(
    Repositories.toLayer(() => {
      ran.push("repositories")
      return repositories ?? Effect.succeed({ updated: 3 })
    }),
    Accounts.toLayer(({ changed }) => {
      ran.push("accounts")
      return accounts?.(changed) ?? Effect.succeed(changed * 2)
    }),
    Traffic.toLayer(() => {
      ran.push("traffic")
      return traffic ?? Effect.succeed("high")
    }),
    Summary.toLayer(({ text }) => {
      ran.push("summary")
      return Effect.succeed(text)
    })
  )

const worker = (layer: ReturnType<typeof handlers>) =>
  JobWorker.layer({
    queues: { default: {}, slow: {} },
    tasks: [...JobGraph.tasks(Sync), ...JobGraph.tasks(Short)]
  }).pipe(Layer.provide(layer))

const Closing = Schema.Struct({ graph: Schema.Record(Schema.String, Job.JobId) })

const stageOf = (run: Job.JobId, stage: string) =>
  Effect.gen(function*() {
    const { meta } = yield* JobControl.get(run)
    const { graph } = yield* Schema.decodeUnknownEffect(Closing)(meta.part)
    const id = graph[stage]
    return id === undefined ? yield* Effect.die(new Error(`no stage ${stage}`)) : yield* JobControl.get(id)
  })

describe("JobGraph", () => {
  it.effect("runs each stage as a job with what the stages before it gave, and closes with the pipeline's value", () => {
    const ran: Array<string> = []
    return Effect.gen(function*() {
      const { id } = yield* RunContext.within({ tenant: "acme", actor: "ada" })(
        JobGraph.enqueue(Sync, { platform: "github" }, { tags: ["nightly"] })
      )
      const value = yield* JobQueue.result(Sync, id)
      assert.deepStrictEqual(
        { ...value, traffic: Result.isSuccess(value.traffic) ? value.traffic.success : null },
        { repositories: { updated: 3 }, accounts: 6, traffic: "high", summary: "6 accounts, traffic high" }
      )
      assert.deepStrictEqual([...ran].sort(), ["accounts", "repositories", "summary", "traffic"])
      const traffic = yield* stageOf(id, "traffic")
      assert.deepInclude(traffic, { task: "sync/traffic", queue: "default", state: "completed", output: "high" })
      assert.deepStrictEqual([traffic.meta.origin, traffic.meta.tags], [{ tenant: "acme", actor: "ada" }, ["nightly"]])
    }).pipe(Effect.provide(Layer.provideMerge(worker(handlers(ran)), store)))
  })

  it.effect("stages may run in queues of their own", () =>
    Effect.gen(function*() {
      const { id } = yield* JobGraph.enqueue(Sync, { platform: "github" }, { queues: { traffic: "slow" } })
      const value = yield* JobQueue.result(Sync, id)
      assert.strictEqual(value.summary, "6 accounts, traffic high")
      assert.strictEqual((yield* stageOf(id, "traffic")).queue, "slow")
    }).pipe(Effect.provide(Layer.provideMerge(worker(handlers([])), store))))

  it.effect("ends with the stage's name and its typed error; what waits for it does not run", () => {
    const ran: Array<string> = []
    return Effect.gen(function*() {
      const { id } = yield* JobGraph.enqueue(Sync, { platform: "github" })
      const error = yield* Effect.flip(JobQueue.result(Sync, id))
      assert.instanceOf(error, Pipeline.PipelineError)
      assert.deepInclude(error, { pipeline: "sync", stage: "repositories", cause: new Busy({ where: "github" }) })
      assert.notInclude(ran, "accounts")
      const accounts = yield* stageOf(id, "accounts")
      assert.deepInclude(accounts, { state: "cancelled" })
      assert.deepInclude(accounts.failure, { tag: "TaskSkipped" })
      assert.include(accounts.failure?.message, "repositories failed")
    }).pipe(
      Effect.provide(
        Layer.provideMerge(worker(handlers(ran, { repositories: Effect.fail(new Busy({ where: "github" })) })), store)
      )
    )
  })

  it.effect("goes on past a failure that a stage is to continue after, and shows it as a value", () =>
    Effect.gen(function*() {
      const { id } = yield* JobGraph.enqueue(Sync, { platform: "github" })
      const value = yield* JobQueue.result(Sync, id)
      assert.strictEqual(value.summary, "6 accounts, traffic Busy")
      assert.deepStrictEqual(value.traffic, Result.fail(new Busy({ where: "x" })))
    }).pipe(
      Effect.provide(
        Layer.provideMerge(worker(handlers([], { traffic: Effect.fail(new Busy({ where: "x" })) })), store)
      )
    ))

  it.effect("interrupts the stages that run when another one stops the pipeline", () => {
    const interrupted = Deferred.makeUnsafe<void>()
    const traffic = Effect.onInterrupt(Effect.never, () => Deferred.succeed(interrupted, undefined))
    const fail = Deferred.makeUnsafe<void>()
    const ran: Array<string> = []
    const Both = Pipeline.make("both", { payload: { platform: Schema.String } }).pipe(
      Pipeline.stage("repositories", Repositories, { input: ({ payload }) => payload }),
      Pipeline.stage("traffic", Traffic, { after: [], input: ({ payload }) => payload })
    )
    return Effect.gen(function*() {
      const { id } = yield* JobGraph.enqueue(Both, { platform: "github" })
      const { id: other } = yield* stageOf(id, "traffic")
      yield* until("both run", Effect.sync(() => ran.length === 2))
      yield* Deferred.succeed(fail, undefined)
      yield* pass(3)
      yield* Deferred.await(interrupted)
      const error = yield* Effect.flip(JobQueue.result(Both, id))
      assert.deepInclude(error, { stage: "repositories" })
      const skipped = yield* reaches(other, "cancelled")
      assert.include(skipped.failure?.message, "repositories failed")
    }).pipe(
      Effect.provide(
        Layer.provideMerge(
          JobWorker.layer({ queues: { default: {} }, tasks: JobGraph.tasks(Both) }).pipe(
            Layer.provide(
              handlers(ran, {
                traffic,
                repositories: Effect.andThen(Deferred.await(fail), Effect.fail(new Busy({ where: "x" })))
              })
            )
          ),
          store
        )
      )
    )
  })

  it.effect("cancelling the closing job cancels the stages, those that run and those that wait", () => {
    const interrupted = Deferred.makeUnsafe<void>()
    const ran: Array<string> = []
    return Effect.gen(function*() {
      const { id } = yield* JobGraph.enqueue(Sync, { platform: "github" })
      const { id: stage } = yield* stageOf(id, "repositories")
      yield* until("it runs", Effect.sync(() => ran.includes("repositories")))
      const answer = yield* JobControl.cancel([id], { actor: "ada", reason: "not now" })
      assert.deepStrictEqual(answer.cancelled, [id])
      yield* pass(3)
      yield* Deferred.await(interrupted)
      yield* reaches(stage, "cancelled")
      const waiting = yield* stageOf(id, "accounts")
      yield* reaches(waiting.id, "cancelled")
      assert.notInclude(ran, "accounts")
      const error = yield* Effect.flip(JobQueue.result(Sync, id))
      assert.deepInclude(error, { _tag: "JobEnded", state: "cancelled", detail: "cancelled by ada: not now" })
    }).pipe(
      Effect.provide(
        Layer.provideMerge(
          worker(
            handlers(ran, {
              repositories: Effect.onInterrupt(Effect.never, () => Deferred.succeed(interrupted, undefined))
            })
          ),
          store
        )
      )
    )
  })

  it.effect("cancelling a run that is due later cancels its stages at once", () =>
    Effect.gen(function*() {
      const { id } = yield* JobGraph.enqueue(Sync, { platform: "github" }, { delay: "1 day" })
      const { cancelled } = yield* JobControl.cancel([id])
      assert.deepStrictEqual(cancelled, [id])
      assert.strictEqual(yield* JobControl.count({ ...JobFilter.all, states: ["cancelled"] }), 5)
    }).pipe(Effect.provide(store)))

  it.effect("a run whose worker died goes on at the unfinished stage, and repeats none that has completed", () => {
    const ran: Array<string> = []
    return Effect.gen(function*() {
      const first = yield* Scope.make()
      const died = handlers(ran, { accounts: () => Effect.never })
      yield* Layer.buildWithScope(worker(died), first)
      const { id } = yield* JobGraph.enqueue(Sync, { platform: "github" })
      yield* until("accounts runs", Effect.sync(() => ran.includes("accounts") && ran.includes("traffic")))
      yield* Scope.close(first, Exit.void).pipe(Effect.forkChild)
      yield* pass(40)
      const second = yield* Scope.make()
      yield* Layer.buildWithScope(worker(handlers(ran)), second)
      const value = yield* JobQueue.result(Sync, id)
      assert.strictEqual(value.summary, "6 accounts, traffic high")
      assert.deepStrictEqual(
        ran.filter((name) => name === "repositories" || name === "traffic").sort(),
        ["repositories", "traffic"]
      )
      assert.strictEqual(ran.filter((name) => name === "accounts").length, 2)
      yield* Scope.close(second, Exit.void)
    }).pipe(Effect.provide(store))
  })

  it.effect("resume runs what is left of a run that failed, and takes over what had completed", () => {
    const ran: Array<string> = []
    let fails = true
    const accounts = (changed: number) =>
      Effect.suspend(() => fails ? Effect.die(new Error("no")) : Effect.succeed(changed * 2))
    return Effect.gen(function*() {
      const { id } = yield* JobGraph.enqueue(Sync, { platform: "github" }, { tags: ["t"] })
      const error = yield* Effect.flip(JobQueue.result(Sync, id))
      assert.strictEqual(error._tag, "JobEnded")
      fails = false
      const again = yield* JobGraph.resume(Sync, id)
      const value = yield* JobQueue.result(Sync, again.id)
      assert.strictEqual(value.summary, "6 accounts, traffic high")
      assert.deepStrictEqual(ran.filter((name) => name === "repositories").length, 1)
      assert.deepStrictEqual((yield* JobControl.get(again.id)).meta.tags, ["t"])
      const refused = yield* Effect.flip(JobGraph.resume(Sync, again.id))
      assert.include(refused.message, "has completed: nothing of it is left")
    }).pipe(Effect.provide(Layer.provideMerge(worker(handlers(ran, { accounts })), store)))
  })

  it.effect("a stage whose condition is not met is cancelled with that reason", () => {
    const ran: Array<string> = []
    const Maybe = Pipeline.make("maybe", { payload: { platform: Schema.String } }).pipe(
      Pipeline.stage("repositories", Repositories, { input: ({ payload }) => payload }),
      Pipeline.stage("accounts", Accounts, {
        input: ({ repositories }) => ({ changed: repositories.updated }),
        when: ({ repositories }) => repositories.updated > 100
      })
    )
    return Effect.gen(function*() {
      const { id } = yield* JobGraph.enqueue(Maybe, { platform: "github" })
      const value = yield* JobQueue.result(Maybe, id)
      assert.isTrue(Result.isFailure(value.accounts))
      const { failure, state } = yield* stageOf(id, "accounts")
      assert.deepStrictEqual([state, failure?.tag], ["cancelled", "TaskSkipped"])
      assert.include(failure?.message, "its condition was not met")
      assert.deepStrictEqual(ran, ["repositories"])
    }).pipe(
      Effect.provide(
        Layer.provideMerge(
          JobWorker.layer({ queues: { default: {} }, tasks: JobGraph.tasks(Maybe) }).pipe(Layer.provide(handlers(ran))),
          store
        )
      )
    )
  })

  it.effect("a pipeline with an output of its own closes with that", () =>
    Effect.gen(function*() {
      const { id } = yield* JobGraph.enqueue(Short, { platform: "github" })
      assert.strictEqual(yield* JobQueue.result(Short, id), "short: 3")
    }).pipe(Effect.provide(Layer.provideMerge(worker(handlers([])), store))))

  it.effect("enqueued by JobQueue it is one job that runs all stages", () => {
    const ran: Array<string> = []
    return Effect.gen(function*() {
      const { id } = yield* JobQueue.enqueue(Short, { platform: "github" })
      assert.strictEqual(yield* JobQueue.result(Short, id), "short: 3")
      assert.deepStrictEqual(ran, ["repositories", "summary"])
      assert.strictEqual(yield* JobControl.count(JobFilter.all), 1)
    }).pipe(Effect.provide(Layer.provideMerge(worker(handlers(ran)), store)))
  })

  it.effect("of two runs with a unique key one is made, and nothing of the other", () =>
    Effect.gen(function*() {
      const options = { unique: { by: ["platform"] } } as const
      const first = yield* JobGraph.enqueue(Sync, { platform: "github" }, options)
      const second = yield* JobGraph.enqueue(Sync, { platform: "github" }, options)
      const other = yield* JobGraph.enqueue(Sync, { platform: "gitlab" }, options)
      assert.deepStrictEqual(second, { id: first.id, duplicate: true })
      assert.isFalse(other.duplicate)
      assert.strictEqual(yield* JobControl.count(JobFilter.all), 10)
    }).pipe(Effect.provide(store)))

  it.effect("an id makes one run, however often it is enqueued", () =>
    Effect.gen(function*() {
      const id = yield* JobQueue.newId
      const first = yield* JobGraph.enqueue(Sync, { platform: "github" }, { id })
      const second = yield* JobGraph.enqueue(Sync, { platform: "github" }, { id })
      assert.deepStrictEqual([first, second], [{ id, duplicate: false }, { id, duplicate: true }])
      assert.strictEqual(yield* JobControl.count(JobFilter.all), 5)
      yield* settle
    }).pipe(Effect.provide(store)))

  it.effect("a task that is no pipeline is refused with a word on what to do", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(JobGraph.enqueue(Summary, { text: "a" }))
      assert.include(error.message, "it is no pipeline: enqueue it by JobQueue")
      assert.throws(() => JobGraph.tasks(Summary), "it is no pipeline")
    }).pipe(Effect.provide(store)))
})
