/**
 * Durable jobs in memory: the same promises as on Postgres, by the Clock of the program, for tests and simulation.
 *
 * Every operation is one step that nothing comes between. Nothing survives the process. A transaction is one of this store
 * (`JobStore.transaction`), never of a database: what `enqueue` and `finishTx` do in a transaction of the caller's is done
 * at once, and its rollback does not take it back. A waiting job takes
 * about 250 bytes besides its payload; a claim costs the logarithm of what waits.
 */
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { Supervisor } from "../../core/Supervisor.ts"
import * as control from "../internal/memory/control.ts"
import * as due from "../internal/memory/due.ts"
import * as ends from "../internal/memory/ends.ts"
import * as enqueue from "../internal/memory/enqueue.ts"
import * as fair from "../internal/memory/fair.ts"
import * as graph from "../internal/memory/graph.ts"
import * as limits from "../internal/memory/limits.ts"
import * as members from "../internal/memory/members.ts"
import { promote } from "../internal/memory/moves.ts"
import * as query from "../internal/memory/query.ts"
import * as queueSettings from "../internal/memory/queueSettings.ts"
import * as retention from "../internal/memory/retention.ts"
import { show } from "../internal/memory/show.ts"
import * as table from "../internal/memory/tables.ts"
import * as transaction from "../internal/memory/transaction.ts"
import * as work from "../internal/memory/work.ts"
import * as obstacle from "../internal/obstacle.ts"
import { refusal } from "../internal/refusal.ts"
import type { JobId } from "../Job.ts"
import { JobInvalid, JobStoreUnavailable, LeaseLost, QueueNotFound } from "../JobError.ts"
import { JobStore } from "../JobStore.ts"

/**
 * When the store in memory has something to do, for test kits that move the clock.
 *
 * @category services
 */
export class Due extends Context.Service<Due, {
  /** Milliseconds until a job is due, may be let in by its limit, or its dead worker loses it; null: none ever. */
  readonly nextMs: Effect.Effect<number | null>
  /** Jobs of a queue that a worker would get now. */
  readonly claimable: (queue: string) => Effect.Effect<number>
}>()("ostinato/jobs/stores/Memory/Due") {}

/**
 * A store of its own for what is built upon it. The lease of each of its members is a fiber of whoever joined.
 *
 * @category layers
 */
export const layer: Layer.Layer<JobStore | Due, never, Supervisor> = Layer.effectContext(
  Effect.gen(function*() {
    const tables = table.make()
    const supervisor = yield* Supervisor
    const transactions = transaction.make(tables)
    const look = transactions.step
    const step = <A>(change: (now: number) => A) =>
      transactions.step((now) => {
        const answer = change(now)
        tables.changed.tell()
        return answer
      })
    const ofLimit = <A>(operation: string, name: string, change: (now: number) => A) =>
      Effect.suspend(() =>
        tables.limits.has(name)
          ? step(change)
          : Effect.fail(new JobStoreUnavailable({ operation, detail: obstacle.noLimit(name) }))
      )
    const rowsOf = (ids: ReadonlyArray<JobId>) => ids.flatMap((id) => tables.rows.get(BigInt(id)) ?? [])

    const store = JobStore.of({
      enqueue: (jobs) =>
        Effect.flatMap(
          step((now) =>
            refusal(jobs, { has: (name) => limits.isKnown(tables, name) }) ?? enqueue.enqueue(tables, jobs, now)
          ),
          (answer) => answer instanceof JobInvalid ? Effect.fail(answer) : Effect.succeed(answer)
        ),
      transaction: transactions.transaction,
      joins: () => Effect.void,
      supersede: (keys) => step((now) => control.supersede(tables, keys, now)),

      join: members.join(tables, transactions, supervisor),
      tasksOf: (queue) => look(() => Array.from(tables.queues.get(queue)?.live.keys() ?? [])),
      claim: (member, queue, limit) => step((now) => work.claim(tables, member, queue, limit, now)),
      standby: () => Effect.void,
      finish: (member, ends) => step((now) => work.finish(tables, member, ends, now)),
      finishTx: (member, end) =>
        Effect.flatMap(
          step((now) => work.finish(tables, member, [end], now)),
          (fenced) => fenced.size > 0 ? Effect.fail(new LeaseLost({ id: end.job.id })) : Effect.void
        ),
      handBack: (member, jobs) => step((now) => work.handBack(tables, member, jobs, now)),
      owns: (member, job) => look(() => work.owns(tables, member, job)),
      isolate: (member, job) => step((now) => work.isolate(tables, member, job, now)),
      progress: (member, said) => step(() => work.progress(tables, member, said)),
      wakes: (queue) => Stream.suspend(() => table.queueOf(tables, queue).wakes.told()),
      parents: (id) =>
        look((now) =>
          Array.from(graph.parentsOf(tables, BigInt(id))).sort((a, b) => a < b ? -1 : 1).flatMap((parent) => {
            const row = tables.rows.get(parent)
            return row === undefined ? [] : [show(tables, row, now)]
          })
        ),

      promote: (limit) => step((now) => promote(tables, limit, now)),
      nextDueMs: look((now) => {
        const next = tables.due.peek()
        return next === undefined ? null : Math.max(0, Math.ceil(next.at - now))
      }),
      scheduled: tables.scheduled.told(),
      rescue: step((now) => members.rescue(tables, now)),
      sweep: step((now) => {
        limits.sweep(tables, now)
        for (const queue of tables.queues.values()) fair.forget(queue.fair)
      }),
      prune: (keep) => step((now) => retention.prune(tables, keep, now)),

      get: (id) => look((now) => rowsOf([id]).map((row) => show(tables, row, now))[0] ?? null),
      getMany: (ids) => look((now) => rowsOf(ids).map((row) => show(tables, row, now))),
      attempts: (id) => look(() => rowsOf([id]).flatMap((row) => row.life?.entries ?? [])),
      query: (page) => look((now) => query.query(tables, page, now)),
      count: (filter, atMost) => look(() => query.count(tables, filter, atMost)),
      cancel: (ids, by) => step((now) => control.cancel(tables, ids, by, now)),
      reschedule: (ids, to) =>
        step((now) =>
          control.reschedule(tables, ids, "runAt" in to ? DateTime.toEpochMillis(to.runAt) : now + to.delayMs, now)
        ),
      retry: (ids) => step((now) => control.retry(tables, ids, now)),
      erase: (ids) => step(() => control.erase(tables, ids)),
      queues: look((now) => query.queues(tables, now)),
      ends: (withinMs) => look((now) => ends.since(tables, now - withinMs)),
      runnable: (queue) => look((now) => query.runnable(tables, queue, now)),
      pause: (name, paused) =>
        Effect.flatMap(
          step((now) => queueSettings.pause(tables, name, paused, now)),
          (isKnown) => isKnown ? Effect.void : Effect.fail(new QueueNotFound({ queue: name }))
        ),
      configure: (name, settings) => step(() => queueSettings.configure(tables, name, settings)),
      remove: (name) => step((now) => queueSettings.remove(tables, name, now)),
      holds: {
        list: look(() => new Set(tables.holds)),
        put: (hold) => step(() => void tables.holds.add(hold)),
        release: (hold) => step((now) => control.releaseHold(tables, hold, now))
      },
      limits: {
        list: look(() => limits.list(tables)),
        set: (limit) => step((now) => limits.set(tables, limit, now)),
        remove: (name) => step(() => limits.remove(tables, name)),
        take: (name, key, units) => ofLimit("take", name, (now) => limits.take(tables, name, key, units, now)),
        hold: (name, key, ms) => ofLimit("hold limit", name, (now) => limits.hold(tables, name, key, ms, now))
      },
      changes: tables.changed.told("250 millis"),
      members: look((now) =>
        Array.from(tables.members.values())
          .filter(({ expiresAt }) => expiresAt > now)
          .map(({ id, node, serves }) => ({ id, node, serves }))
      )
    })
    return Context.make(JobStore, store).pipe(Context.add(Due, due.make(tables)))
  })
)
