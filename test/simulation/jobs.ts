/** What workers on several nodes promise about jobs, whatever becomes of nodes and stores. */
import { assert } from "@effect/vitest"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Random from "effect/Random"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import { Supervisor, Task } from "ostinato"
import { type Job, JobAttempt, JobError, JobFilter, JobQueue, JobStore, JobWorker, MemoryJobStore } from "ostinato/jobs"
import { PeriodicTask, TaskScheduler, Timetable } from "ostinato/schedule"
import { Faults, SimulatedNode, Simulation, TestTasks } from "ostinato/testing"

type Store = Layer.Layer<JobStore.JobStore>

const memory: Store = Layer.provide(MemoryJobStore.layer, Supervisor.layer)

const Work = Task.make("simulated.job", {
  payload: { fails: Schema.Int, key: Schema.NullOr(Schema.Int) },
  success: Schema.Struct({ attempt: Schema.Int }),
  error: Schema.Literal("broken"),
  retry: Schedule.spaced("1 second").pipe(Schedule.upTo({ times: 10 }))
})

const built = (store: Store, rates: Faults.Rates) =>
  Effect.gen(function*() {
    const jobs = Context.get(yield* Layer.build(store), JobStore.JobStore)
    const faults = yield* Layer.build(Faults.layer(rates))
    const unavailable = (operation: string) => new JobError.JobStoreUnavailable({ operation, detail: "simulated" })
    const faulty = Effect.provideContext(Faults.around(jobs, { name: "JobStore", unavailable }), faults)
    return { jobs, faulty, calm: Effect.provideContext(Faults.calm, faults) }
  })

const everything = (jobs: JobStore.JobStore["Service"]) =>
  Effect.map(
    jobs.query({
      filter: JobFilter.all,
      before: null,
      limit: 1000
    }),
    (all) => all.toReversed()
  )

const millis = (at: DateTime.Utc | null) => at === null ? Number.NaN : DateTime.toEpochMillis(at)

/** Nodes are held up for longer than a lease. */
export const heldUp: Faults.Rates = { delay: 0.1, pause: 0.05, longest: "1 minute" }

/**
 * Every acknowledged job ends, its newest attempt decides how, one attempt of it runs at a time, a key has one holder, and
 * a stop costs no attempt.
 */
export const jobsHold = (
  store: Store = memory,
  rates: Faults.Rates = { unavailable: 0.02, unknown: 0.02, delay: 0.2, crash: 0.004 }
) =>
  Effect.gen(function*() {
    const { calm, faulty, jobs } = yield* built(store, rates)
    const live = new Map<string, Set<() => boolean>>()
    const failures = new Map<string, number>()
    const canOverlap = (rates.pause ?? 0) > 0
    yield* Simulation.always("one attempt of a job runs at a time", () =>
      canOverlap || Array.from(live.values()).every((attempts) =>
        Array.from(attempts).filter((isAlive) =>
          isAlive()
        ).length <= 1
      ))

    const program = (isAlive: () => boolean) => {
      const handler = Work.toLayer(({ fails }) =>
        Effect.gen(function*() {
          const job = yield* JobAttempt.current
          assert.isNotNull(job)
          const { attempt, id } = job
          const attempts = live.get(id) ?? new Set()
          live.set(id, attempts)
          const lives = () => isAlive()
          attempts.add(lives)
          return yield* Effect.gen(function*() {
            yield* Effect.sleep(yield* Random.nextIntBetween(0, 12_000))
            const failed = failures.get(id) ?? 0
            if (failed >= fails) return { attempt }
            failures.set(id, failed + 1)
            return yield* Effect.fail("broken" as const)
          }).pipe(Effect.ensuring(Effect.sync(() => attempts.delete(lives))))
        })
      )
      const worker = JobWorker.layer({
        queues: { work: { concurrency: 3 } },
        tasks: [Work],
        drain: "2 seconds",
        grace: "1 second"
      })
      const own = Layer.mergeAll(Layer.effect(JobStore.JobStore, faulty), Supervisor.layer, handler)
      return Layer.build(Layer.fresh(Layer.provide(worker, own)))
    }
    const nodes = yield* Effect.forEach(["a", "b", "c"], (name) =>
      SimulatedNode.make(name, program, { down: "20 seconds" }))
    yield* Effect.forEach(nodes, (node) =>
      node.start)
    const trouble = yield* Effect.gen(function*() {
      yield* Effect.sleep(yield* Random.nextIntBetween(1, 40_000))
      const node = nodes[yield* Random.nextIntBetween(0, nodes.length - 1)]
      if (node === undefined) return
      yield* node.stop
      yield* Effect.sleep(yield* Random.nextIntBetween(1, 5000))
      yield* node.start
    }).pipe(Effect.forever, Effect.forkScoped)

    const producer = yield* faulty
    const acked: Array<Job.JobId> = []
    const owners = new Map<number, Array<Job.JobId>>()
    const enqueue = Effect.gen(function*() {
      const drawn = yield* Random.nextIntBetween(0, 2)
      const key = drawn === 2 ? null : drawn
      const fails = yield* Random.nextIntBetween(0, 2)
      const made = yield* JobQueue.enqueue(Work, { fails, key }, {
        queue: "work",
        unique: key === null ? undefined : { by: ["key"] }
      })
      if (made.duplicate) return
      acked.push(made.id)
      if (key !== null) owners.set(key, [...owners.get(key) ?? [], made.id])
    }).pipe(Effect.ignore, Effect.provideService(JobStore.JobStore, producer))
    for (let round = 0; round < 8; round += 1) {
      yield* Effect.all([enqueue, enqueue, enqueue], { concurrency: 3 })
      yield* Effect.sleep(yield* Random.nextIntBetween(0, 15_000))
    }

    yield* Fiber.interrupt(trouble)
    yield* calm
    yield* Effect.forEach(nodes, (node) => Effect.andThen(node.resume, node.start))
    yield* Effect.sleep("2 minutes")
    const ended = yield* everything(jobs)
    assert.isAtLeast(acked.length, 1)
    for (const id of acked) assert.include(["completed", "discarded"], ended.find((job) => job.id === id)?.state)
    for (const { attempt, failure, id, lost, output, state } of ended) {
      assert.isAtMost(attempt, 1 + (failures.get(id) ?? 0) + lost, "no attempt is spent by a stop")
      if (state === "completed") {
        assert.deepStrictEqual(output, { attempt }, "the newest attempt decides")
        continue
      }
      const deaths = (yield* jobs.attempts(id)).filter(({ failure }) => failure?.tag === "WorkerLost").length
      assert.deepStrictEqual([state, failure?.tag, deaths], ["discarded", "WorkerLost", 3])
    }
    for (const key of [0, 1]) {
      const held = ended.filter(({ payload }) => JSON.stringify(payload).includes(`"key":${key}`))
      for (const [at, job] of held.slice(1).entries()) {
        assert.isAtMost(millis(held[at]?.finishedAt ?? null), millis(job.createdAt), "a key has one holder at a time")
      }
    }
  })

/** Of several attempts that end, the newest decides, also where workers do not notice that they lost their lease. */
export const fencesHold = (store: Store = memory) =>
  Effect.gen(function*() {
    const { jobs } = yield* built(store, {})
    const Late = Task.make("simulated.late")
    const turn = Effect.scoped(Effect.gen(function*() {
      const member = yield* jobs.join({ node: "late", info: {}, serves: {} })
      yield* jobs.rescue
      const claimed = yield* jobs.claim(member, "late", 1)
      yield* Effect.sleep(yield* Random.nextIntBetween(1, 20_000))
      yield* jobs.finish(
        member,
        claimed.map((job) => ({
          job,
          outcome: "completed",
          delayMs: 0,
          output: job.attempt,
          failure: null,
          note: null,
          report: null,
          logs: []
        }))
      )
    }))
    const nodes = yield* Effect.forEach(["a", "b", "c"], (name) => SimulatedNode.make(name, () => Effect.forever(turn)))
    yield* Effect.forEach(nodes, (node) => node.start)
    const pauses = yield* Effect.forkScoped(SimulatedNode.pausing(nodes, { every: "5 seconds", longest: "1 minute" }))
    const request = Array.from({ length: 10 }, () => JobQueue.job(Late, {}, { queue: "late" }))
    yield* Effect.provideService(JobQueue.enqueueAll(request), JobStore.JobStore, jobs)
    yield* Effect.sleep("5 minutes")
    yield* Fiber.interrupt(pauses)
    yield* Effect.forEach(nodes, (node) => node.resume)
    yield* Effect.sleep("3 minutes")
    for (const { attempt, lost, output, state } of yield* everything(jobs)) {
      if (lost < 3) assert.deepStrictEqual([state, output], ["completed", attempt])
    }
  })

/** A job that comes while a worker is idle starts at once, and does not wait for the worker to look. */
export const wakesHold = (store: Store = memory) =>
  Effect.gen(function*() {
    const { jobs } = yield* built(store, {})
    const Quick = Task.make("simulated.quick")
    const services = Layer.mergeAll(
      Layer.succeed(JobStore.JobStore, jobs),
      Supervisor.layer,
      Quick.toLayer(() => Effect.sleep(3))
    )
    yield* Layer.build(
      Layer.provide(
        JobWorker.layer({ queues: { quick: { concurrency: 2 } }, tasks: [Quick], maintenance: false }),
        services
      )
    )
    yield* Effect.sleep("10 seconds")
    for (let round = 0; round < 6; round += 1) {
      yield* Effect.provideService(
        Effect.all([JobQueue.enqueue(Quick, {}, { queue: "quick" }), JobQueue.enqueue(Quick, {}, { queue: "quick" })], {
          concurrency: 2
        }),
        JobStore.JobStore,
        jobs
      )
      yield* Effect.sleep(yield* Random.nextIntBetween(10, 20_000))
    }
    yield* Effect.sleep("1 minute")
    for (const { availableAt, startedAt } of yield* everything(jobs)) {
      assert.isAtMost(millis(startedAt) - millis(availableAt), 10)
    }
  })

/** A tick makes one job, whoever crashes between the two. */
export const jobTicksHold = (dispatch: "with the tick's id" | "with an id of its own" = "with the tick's id") =>
  Effect.gen(function*() {
    const { jobs } = yield* built(memory, {})
    const Tick = Task.make("simulated.tick")
    const hourly = PeriodicTask.make("hourly", {
      timetable: Timetable.every("1 hour", { anchor: "fixed" }),
      task: Tick,
      payload: {},
      mode: "enqueue",
      missed: { all: 10 },
      dispatch: JobQueue.dispatch({ queue: "ticks" })
    })
    const faults = { unknown: 0.1, delay: 0.3, crash: 0.1 }
    const crashes = { delay: 0.3, crash: 0.5 }
    const { faulty } = yield* built(
      Layer.succeed(JobStore.JobStore, dispatch === "with the tick's id" ? jobs : forgetful(jobs)),
      crashes
    )
    const store = Layer.effect(JobStore.JobStore, faulty)
    const nodes = yield* TestTasks.nodes(
      TaskScheduler.layer([hourly], { poll: "10 minutes" }).pipe(Layer.provide(store)),
      { nodes: 3, crashes: { every: "3 hours", down: "20 minutes" }, faults }
    )
    yield* Effect.sleep("8 hours")
    yield* nodes.calm
    yield* Effect.sleep("1 hour")
    const ticks = (yield* everything(jobs)).map(({ meta: { trigger } }) =>
      trigger?.kind === "schedule" ? DateTime.formatIso(trigger.tick) : "no tick"
    )
    assert.isAtLeast(ticks.length, 6)
    assert.strictEqual(new Set(ticks).size, ticks.length)
  })

/** Gives every job an id of its own. */
const forgetful = (jobs: JobStore.JobStore["Service"]): JobStore.JobStore["Service"] => ({
  ...jobs,
  enqueue: (all) => jobs.enqueue(all.map((job) => ({ ...job, id: null })))
})
