/**
 * Effect's `PersistedQueue`, and with it `DurableQueue`, on our jobs: each element is a job of the queue `effect/<name>`,
 * seen, counted, rescued and pruned like every other.
 *
 * An offer joins the transaction around it. Takers of all processes are woken when something comes, and what a process
 * holds when it dies is taken back as other jobs are: within seconds, once `JobMaintenance` runs somewhere, which also
 * makes delayed elements available. An element offered under an id of the caller's is taken for the same one for 30 days;
 * elements that have ended are kept as the retention of jobs says, so `cleanup` has nothing to do.
 *
 * It needs nothing but a `JobStore`, so in a test it runs on the one in memory.
 */
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { PersistedQueueError, PersistedQueueStore } from "effect/persistence/PersistedQueue"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { createHash } from "node:crypto"
import { hostname } from "node:os"
import { fromCause } from "../../core/TaskError.ts"
import * as membership from "../internal/interop/membership.ts"
import { type Claimed, type End, JobStore, type NewJob } from "../JobStore.ts"

/**
 * The store on the jobs of whatever `JobStore` there is.
 *
 * @category layers
 * @example
 * ```ts
 * import { Effect, Layer, Schema } from "effect"
 * import { PersistedQueue } from "effect/persistence"
 * import { MemoryJobStore, PostgresPersistedQueueStore } from "ostinato/jobs"
 *
 * const Queues = PersistedQueue.layer.pipe(
 *   Layer.provide(PostgresPersistedQueueStore.layer),
 *   Layer.provide(MemoryJobStore.layer) // or PostgresJobStore.layer()
 * )
 *
 * const mails = PersistedQueue.make({ name: "mails", schema: Schema.Struct({ to: Schema.String }) })
 * const program = Effect.flatMap(mails, (queue) => queue.offer({ to: "ann@example.com" }, { id: "welcome-ann" }))
 * const offered = Effect.provide(program, Queues)
 * ```
 */
export const layer: Layer.Layer<PersistedQueueStore, never, JobStore> = Layer.effect(
  PersistedQueueStore,
  Effect.gen(function*() {
    const store = yield* JobStore
    const members = yield* membership.make(store, { node: hostname(), info: { kind: "PersistedQueue" } })

    const end = (member: membership.Held, job: Claimed, exit: Exit.Exit<unknown, unknown>, options: TakeOptions) =>
      Effect.gen(function*() {
        if (exit._tag === "Failure" && Cause.hasInterruptsOnly(exit.cause)) {
          return yield* store.handBack(member, [job])
        }
        const fenced = yield* store.finish(member, [yield* ending(job, exit, options)])
        if (fenced.size > 0) {
          yield* Effect.logWarning(
            `element ${job.id} of ${job.queue} was given to another taker: its process was taken for dead`
          )
        }
      }).pipe(
        Effect.catch((error) =>
          Effect.logError(`element ${job.id} of ${job.queue} was not ended: it will be taken again`, error)
        )
      )

    return PersistedQueueStore.of({
      offer: (options) =>
        Effect.asVoid(Effect.mapError(store.enqueue([element(options)]), failed(`offer to ${options.name}`))),
      take: Effect.fnUntraced(function*(options) {
        const scope = yield* Effect.scope
        const queue = queueOf(options.name)
        // from the claim on the element has somebody who ends it
        const claim = Effect.uninterruptible(Effect.gen(function*() {
          const member = yield* members.current
          const [job] = yield* store.claim(member, queue, 1)
          if (job === undefined) return Option.none()
          yield* Scope.addFinalizerExit(scope, (exit) => end(member, job, exit, options))
          return Option.some(job)
        }))
        const taken = yield* store.wakes(queue).pipe(
          Stream.mapEffect(() => claim),
          Stream.filter(Option.isSome),
          Stream.runHead,
          Effect.mapError(failed(`take from ${options.name}`))
        )
        const job = Option.flatten(taken)
        if (Option.isNone(job)) return yield* Effect.never
        const { payload } = job.value
        return isElement(payload)
          ? { id: payload.id, attempts: job.value.attempt, element: payload.element }
          // put there by somebody else: the schema of the queue says what is wrong with it
          : { id: job.value.id, attempts: job.value.attempt, element: payload }
      }),
      cleanup: () => Effect.void
    })
  })
)

type TakeOptions = Parameters<PersistedQueueStore["Service"]["take"]>[0]
type Offer = Parameters<PersistedQueueStore["Service"]["offer"]>[0]

const queueOf = (name: string) => `effect/${name}`

const isElement = Schema.is(Schema.Struct({ id: Schema.String, element: Schema.Json }))

/** For how long an id of the caller's stands for the same element. */
const sameFor = Duration.toMillis("30 days")

const element = ({ delay, element, id, isCustomId, name }: Offer): NewJob => ({
  id: null,
  queue: queueOf(name),
  task: "effect.PersistedQueue",
  // the queue has brought it into its JSON form
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- as said
  payload: { id, element: element as Schema.Json },
  meta: {},
  priority: 0,
  // whoever takes it decides
  maxAttempts: 32_767,
  delayMs: delay === undefined ? 0 : Duration.toMillis(delay),
  runAt: null,
  deadlineMs: null,
  unique: isCustomId
    ? { key: keyOf(name, id), withinMs: sameFor, until: "forever", onConflict: "skip" }
    : null,
  limit: null,
  tenant: null,
  cost: 1,
  after: []
})

const keyOf = (name: string, id: string) => createHash("sha256").update(`PersistedQueue\n${name}\n${id}`).digest("hex")

const ending = (job: Claimed, exit: Exit.Exit<unknown, unknown>, options: TakeOptions): Effect.Effect<End> => {
  const end = { job, delayMs: 0, output: undefined, failure: null, note: null, report: null, logs: [] }
  if (exit._tag === "Success") return Effect.succeed({ ...end, outcome: "completed" })
  const failure = fromCause(exit.cause)
  return job.attempt >= options.maxAttempts || isDeadLetter(exit.cause)
    ? Effect.succeed({ ...end, outcome: "discarded", failure })
    : Effect.map(
      options.retryDelay(job.attempt),
      (delay) => ({ ...end, outcome: "retry", failure, delayMs: Duration.toMillis(delay) })
    )
}

/** What the queue fails with when an element can never be read. */
const isDeadLetter = (cause: Cause.Cause<unknown>) =>
  cause.reasons.some((reason) =>
    Cause.isFailReason(reason) && Predicate.isTagged(reason.error, "~effect/persistence/PersistedQueue/DeadLetter")
  )

const failed = (what: string) => (cause: Error) =>
  new PersistedQueueError({ message: `${what}: ${cause.message}`, cause })
