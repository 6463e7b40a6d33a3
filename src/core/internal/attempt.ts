/**
 * All attempts of a task: one after the other, as its timeout and its retry policy say, each with a Scope, an `Attempt`
 * and the interceptors of its own. Used by every executor, and for every member of a composed task.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schedule from "effect/Schedule"
import { Attempt } from "../Attempt.ts"
import { Interceptors } from "../Interceptor.ts"
import type { Storable, Task } from "../Task.ts"
import { fromCause, TaskTimeout } from "../TaskError.ts"
import type { RunId, Trigger } from "../TaskRun.ts"
import { bounded } from "./bounded.ts"
import { Journal } from "./journal.ts"
import { MemberPath } from "./path.ts"
import { CurrentTrigger } from "./trigger.ts"

export const attempted = <Name extends string, P extends Storable, S extends Storable, E extends Storable, R>(
  task: Task<Name, P, S, E, R>,
  runId: RunId,
  payload: P["Type"]
): Effect.Effect<S["Type"], E["Type"] | TaskTimeout, R> =>
  Effect.contextWith((context: Context.Context<never>) => {
    const journal = Context.get(context, Journal)
    const interceptors = Context.get(context, Interceptors)
    const trigger = Context.get(context, CurrentTrigger)
    const place = [...Context.get(context, MemberPath), task.name].join("/")
    let number = 0
    const attempt = Effect.suspend(() => {
      number += 1
      return once(task, { runId, trigger, number, payload, journal, place, interceptors })
    })
    return task.retry === undefined ? attempt : Effect.retry(attempt, Schedule.passthrough(task.retry))
  })

/** The same task with its handler found, so that it needs nothing any more. */
export const resolved = <Name extends string, P extends Storable, S extends Storable, E extends Storable, R>(
  task: Task<Name, P, S, E, R>
): Effect.Effect<Task<Name, P, S, E, never>, never, R> =>
  Effect.map(task.handler, (handle) => ({ ...task, handler: Effect.succeed(handle) }))

const once = <Name extends string, P extends Storable, S extends Storable, E extends Storable, R>(
  task: Task<Name, P, S, E, R>,
  { interceptors, journal, number, payload, place, runId, trigger }: {
    readonly runId: RunId
    readonly trigger: Trigger
    readonly number: number
    readonly payload: P["Type"]
    readonly journal: Journal
    readonly place: string
    readonly interceptors: typeof Interceptors.Service
  }
): Effect.Effect<S["Type"], E["Type"] | TaskTimeout, R> => {
  const body = Effect.flatMap(task.handler, (handle) => handle(payload)).pipe(
    Effect.scoped,
    Effect.provideService(Attempt, {
      runId,
      trigger,
      task: task.name,
      number,
      onItems: (items) => Effect.sync(() => journal.items(place, items))
    }),
    Effect.annotateLogs({ attempt: number })
  )
  const limited: Effect.Effect<S["Type"], E["Type"] | TaskTimeout, R> = Duration.isFinite(task.timeout)
    ? bounded(body, {
      name: `attempt ${number} of task ${task.name}`,
      grace: task.grace,
      timeout: task.timeout,
      onTimeout: () => new TaskTimeout({ task: task.name, timeoutMs: Duration.toMillis(task.timeout) })
    })
    : body
  const intercepted = interceptors.reduceRight(
    (inner, interceptor) => interceptor(inner, { runId, task: task.name, attempt: number, payload }),
    limited
  )
  return Effect.flatMap(Clock.monotonicTimeNanos, (begunAt) => {
    journal.begin(task.name)
    return Effect.onExit(intercepted, (exit) =>
      Effect.map(Clock.monotonicTimeNanos, (endedAt) =>
        journal.add({
          task: task.name,
          number,
          runMs: Number(endedAt - begunAt) / 1e6,
          failure: Exit.isFailure(exit) ? fromCause(exit.cause) : null
        })))
  })
}
