/**
 * One producer of the suite `jobs`. It enqueues its share in bursts, some in transactions and some of these rolled back,
 * and repeats what failed, with the same ids, until it is acknowledged.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Config from "effect/Config"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Random from "effect/Random"
import * as Schedule from "effect/Schedule"
import * as Supervisor from "ostinato/core/Supervisor"
import type { JobId } from "ostinato/jobs/Job"
import * as JobQueue from "ostinato/jobs/JobQueue"
import * as PostgresJobStore from "ostinato/jobs/stores/Postgres"
import { Database } from "ostinato/store/Database"
import * as Lease from "ostinato/store/Lease"
import * as Migration from "ostinato/store/Migration"
import { Notifier } from "ostinato/store/Notifier"
import { writer } from "../ledger.ts"
import { type Kind, Line, type Payload, queue } from "./model.ts"
import { Work } from "./work.ts"

class Undo extends Data.TaggedError("Undo")<{}> {}

/** Of a hundred jobs 70 are quick, 20 take longer, 9 fail once, one is long; two of all are poison. */
const kindOf = (n: number, jobs: number, hasPoison: boolean) =>
  Effect.gen(function*() {
    if (hasPoison && n === Math.floor(jobs * 0.2)) return "abort"
    if (hasPoison && n === Math.floor(jobs * 0.6)) return "exit"
    const dice = yield* Random.nextIntBetween(0, 100, { halfOpen: true })
    const kind: Kind = dice < 70 ? "quick" : dice < 90 ? "medium" : dice < 99 ? "flaky" : "long"
    return kind
  })

const payload = (key: string, kind: Kind) =>
  Effect.gen(function*() {
    const ms = kind === "medium" ? 50 : kind === "long" ? 5000 : yield* Random.nextIntBetween(1, 5)
    const tx = kind !== "abort" && kind !== "exit" && (yield* Random.nextBoolean)
    const one: Payload = { key, kind, tx, ms }
    return one
  })

const patiently = Effect.retry({ schedule: Schedule.spaced("200 millis") })

const Main = Effect.gen(function*() {
  const node = yield* Config.String("PROVE_NODE")
  const seed = yield* Config.Int("PROVE_SEED")
  const jobs = yield* Config.Int("PROVE_JOBS")
  const ms = yield* Config.Int("PROVE_MS")
  const hasPoison = yield* Config.Boolean("PROVE_POISON")
  const write = writer(Line, yield* Config.String("PROVE_LEDGER"))

  type One = { readonly id: JobId; readonly payload: Payload }
  const requests = (batch: ReadonlyArray<One>) =>
    batch.map(({ id, payload }) => JobQueue.job(Work, payload, { id, queue }))
  const made = (batch: ReadonlyArray<Payload>) =>
    Effect.tap(
      Effect.forEach(batch, (payload) => Effect.map(JobQueue.newId, (id): One => ({ id, payload }))),
      (all) => Effect.sync(() => all.forEach(({ payload: { key } }) => write({ op: "try", key })))
    )
  const acknowledged = (batch: ReadonlyArray<One>) =>
    Effect.sync(() => batch.forEach(({ id, payload: { key } }) => write({ op: "ack", key, id })))

  const enqueue = (batch: ReadonlyArray<One>, isTx: boolean) => {
    const all = JobQueue.enqueueAll(requests(batch))
    return Effect.andThen(isTx ? patiently(Database.transaction(all)) : patiently(all), acknowledged(batch))
  }
  const undo = (batch: ReadonlyArray<One>) =>
    Database.transaction(Effect.andThen(JobQueue.enqueueAll(requests(batch)), new Undo())).pipe(
      // whatever became of it, nothing of it was committed
      Effect.ignore,
      Effect.andThen(Effect.sync(() => batch.forEach(({ payload: { key } }) => write({ op: "undone", key }))))
    )

  const program = Effect.gen(function*() {
    const bursts = Math.max(1, Math.floor(ms / 500))
    let sent = 0
    for (let burst = 1; burst <= bursts; burst++) {
      // about as many as are due, in batches of one, a few, or all of them
      while (sent < Math.ceil(jobs * burst / bursts)) {
        const left = Math.ceil(jobs * burst / bursts) - sent
        const size = Math.min(left, yield* Random.nextIntBetween(1, 40))
        const payloads: Array<Payload> = []
        for (let n = sent; n < sent + size; n++) {
          payloads.push(yield* payload(`${node}-${n}`, yield* kindOf(n, jobs, hasPoison)))
        }
        sent += size
        const dice = yield* Random.nextIntBetween(0, 10, { halfOpen: true })
        yield* enqueue(yield* made(payloads), dice < 4)
        if (dice === 9) {
          yield* undo(yield* made([yield* payload(`${node}-undone-${sent}`, "quick")]))
        }
      }
      yield* Effect.sleep("500 millis")
    }
  })
  yield* Random.withSeed(program, seed)
})

const Live = Layer.unwrap(Effect.gen(function*() {
  const url = yield* Config.Redacted("DATABASE_URL")
  const node = yield* Config.String("PROVE_NODE")
  return PostgresJobStore.layer().pipe(
    Layer.provide(Layer.effectDiscard(Effect.forEach([Lease.migrations, PostgresJobStore.migrations], Migration.run))),
    Layer.provide(Notifier.layer()),
    Layer.provideMerge(Database.layer({ url, directory: "unused", node })),
    Layer.provide(Supervisor.layer)
  )
}))

NodeRuntime.runMain(Effect.provide(Main, Layer.provide(Live, NodeServices.layer)))
