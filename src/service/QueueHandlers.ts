/**
 * The code behind the endpoints of queues, limits and holds.
 */
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import * as Option from "effect/Option"
import type {
  JobSettingRefused,
  JobSettingUsed,
  JobStoreUnavailable,
  LimitNotFound,
  QueueNotFound
} from "../jobs/JobError.ts"
import * as JobQueue from "../jobs/JobQueue.ts"
import { JobStore } from "../jobs/JobStore.ts"
import { AdminApi } from "./AdminApi.ts"
import { unavailable } from "./internal/unavailable.ts"
import { LimitUnknown, QueueConflict, QueueUnknown } from "./QueuesApi.ts"
import * as QueueSummaries from "./QueueSummaries.ts"

/**
 * @category layers
 */
export const layer = HttpApiBuilder.group(
  AdminApi,
  "queues",
  Effect.fn(function*(handlers) {
    const store = yield* JobStore
    const told = <A>(asked: Effect.Effect<A, JobStoreUnavailable, JobStore>) =>
      asked.pipe(Effect.provideService(JobStore, store), Effect.catchTag("JobStoreUnavailable", unavailable))
    const found = <A>(asked: Effect.Effect<A, JobStoreUnavailable | QueueNotFound, JobStore>) =>
      asked.pipe(
        Effect.provideService(JobStore, store),
        Effect.catchTags({ JobStoreUnavailable: unavailable, QueueNotFound: unknown })
      )
    const steered = <A>(asked: Effect.Effect<A, JobStoreUnavailable | QueueNotFound | JobSettingRefused, JobStore>) =>
      asked.pipe(
        Effect.provideService(JobStore, store),
        Effect.catchTags({ JobStoreUnavailable: unavailable, QueueNotFound: unknown, JobSettingRefused: refused })
      )
    // a task and a tenant need not be known
    const held = (asked: Effect.Effect<void, JobStoreUnavailable | QueueNotFound | JobSettingRefused, JobStore>) =>
      asked.pipe(
        Effect.provideService(JobStore, store),
        Effect.catchTags({ JobStoreUnavailable: unavailable, QueueNotFound: Effect.die, JobSettingRefused: refused })
      )
    const targetOf = ({ kind, name }: { readonly kind: "task" | "tenant"; readonly name: string }) =>
      kind === "task" ? { task: name } : { tenant: name }

    return handlers.handleAll({
      list: () => Effect.map(told(QueueSummaries.list), (items) => ({ items })),
      get: ({ params }) => found(QueueSummaries.get(params.name)),
      backlog: ({ params }) =>
        Effect.map(found(JobQueue.backlog(params.name)), ({ oldestMs, runnable, running }) => ({
          available: runnable,
          running,
          oldestSeconds: oldestMs / 1000
        })),
      pause: ({ params }) => found(QueueSummaries.pause(params.name, true)),
      resume: ({ params }) => found(QueueSummaries.pause(params.name, false)),
      drain: ({ params: { name }, payload: { timeoutMs = 25_000 } }) =>
        Effect.gen(function*() {
          const drained = yield* found(
            JobQueue.drain({ queue: name }).pipe(
              Effect.catchTags({ JobSettingRefused: Effect.die }),
              Effect.timeoutOption(timeoutMs)
            )
          )
          return { drained: Option.isSome(drained), queue: yield* found(QueueSummaries.get(name)) }
        }),
      configure: ({ params: { name }, payload: { ageingMs, fair, limit } }) =>
        steered(Effect.andThen(JobQueue.configure(name, { ageing: ageingMs, fair, limit }), QueueSummaries.get(name))),
      remove: ({ params: { name } }) =>
        JobQueue.remove(name).pipe(
          Effect.provideService(JobStore, store),
          Effect.catchTags({ JobStoreUnavailable: unavailable, QueueNotFound: unknown, JobSettingUsed: refused })
        ),
      removeLimit: ({ params: { name } }) =>
        JobQueue.removeLimit(name).pipe(
          Effect.provideService(JobStore, store),
          Effect.catchTags({ JobStoreUnavailable: unavailable, LimitNotFound: noLimit, JobSettingUsed: refused })
        ),
      setQueueLimit: ({ params: { name }, payload }) => steered(QueueSummaries.limit(name, payload)),
      removeQueueLimit: ({ params: { name } }) => steered(QueueSummaries.limit(name, null)),
      limits: () => told(Effect.map(store.limits.list, (items) => ({ items }))),
      setLimit: ({ params, payload }) => {
        const limit = { name: params.name, ...payload }
        return QueueSummaries.setLimit(params.name, payload).pipe(
          Effect.provideService(JobStore, store),
          Effect.catchTags({ JobStoreUnavailable: unavailable, JobSettingRefused: refused }),
          Effect.as(limit)
        )
      },
      holds: () => told(Effect.map(store.holds.list, (holds) => ({ items: Array.from(holds).sort() }))),
      hold: ({ params }) => held(JobQueue.pause(targetOf(params))),
      release: ({ params }) => held(JobQueue.resume(targetOf(params)))
    })
  })
)

const unknown = ({ message: detail }: QueueNotFound) => Effect.fail(new QueueUnknown({ detail }))

const noLimit = ({ message: detail }: LimitNotFound) => Effect.fail(new LimitUnknown({ detail }))

const refused = ({ message: detail }: JobSettingRefused | JobSettingUsed) => Effect.fail(new QueueConflict({ detail }))
