/**
 * What an application plugs into the service: its tables, handlers, schedules, routes, figures and page.
 *
 * The service knows applications only as this. An application is written with the package like any other program, so
 * leaving it out leaves nothing behind.
 */
import type * as PgClient from "@effect/sql-pg/PgClient"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import type * as HttpApiMiddleware from "effect/http-api/HttpApiMiddleware"
import type * as Etag from "effect/http/Etag"
import type * as HttpPlatform from "effect/http/HttpPlatform"
import type * as HttpRouter from "effect/http/HttpRouter"
import type * as Layer from "effect/Layer"
import type * as Path from "effect/Path"
import type * as ChildProcessSpawner from "effect/process/ChildProcessSpawner"
import type * as SqlClient from "effect/sql/SqlClient"
import type { CheckpointStore } from "../core/CheckpointStore.ts"
import * as Dispatch from "../core/Dispatch.ts"
import type { RunLog, RunLogUnavailable } from "../core/RunLog.ts"
import * as Task from "../core/Task.ts"
import type { PayloadInvalid } from "../core/TaskError.ts"
import type { Trigger } from "../core/TaskRun.ts"
import type { ActiveRequest } from "../http/ActiveRequest.ts"
import type { JobOptions } from "../jobs/JobOptions.ts"
import * as JobQueue from "../jobs/JobQueue.ts"
import type { Enqueued, JobStore } from "../jobs/JobStore.ts"
import * as JobWorker from "../jobs/JobWorker.ts"
import type { PeriodicTask } from "../schedule/PeriodicTask.ts"
import type { Line } from "../store/Migration.ts"

/**
 * What the service offers to an application.
 *
 * @category models
 */
export type Host =
  | PgClient.PgClient
  | SqlClient.SqlClient
  | RunLog
  | JobStore
  | CheckpointStore
  | FileSystem.FileSystem
  | Path.Path
  | ChildProcessSpawner.ChildProcessSpawner

/**
 * What the service offers to the routes of an application.
 *
 * @category models
 */
export type Web =
  | Host
  | RunLog
  | Etag.Generator
  | HttpPlatform.HttpPlatform
  | HttpRouter.HttpRouter
  | HttpRouter.Request<"Requires", ActiveRequest>
  | HttpApiMiddleware.ProblemDetails

/**
 * A task that can be started by its name with a payload in JSON, from a command line for instance.
 *
 * @category models
 */
export interface NamedTask<out R> {
  readonly name: string
  /** `undefined` as input means the payload that the application names for this, else an empty object. */
  readonly dispatch: (
    input: unknown,
    trigger: Trigger
  ) => Effect.Effect<Dispatch.RunRef<unknown, unknown>, PayloadInvalid | RunLogUnavailable, R>
}

/**
 * What may be said of a job that is enqueued by the name of its task.
 *
 * @category models
 */
export type NamedJobOptions = Pick<
  JobOptions<never>,
  "queue" | "priority" | "delay" | "at" | "tags" | "tenant" | "id" | "trigger"
>

/**
 * A task that can be enqueued by its name with a payload in JSON.
 *
 * @category models
 */
export interface Enqueueable {
  readonly name: string
  readonly task: Task.Any
  /** `undefined` as input means the payload that the application names for this, else an empty object. */
  readonly enqueue: (
    input: unknown,
    options: NamedJobOptions
  ) => Effect.Effect<Enqueued, PayloadInvalid | JobQueue.EnqueueError, JobStore>
}

/**
 * One that workers of the service run.
 *
 * @category models
 */
export interface NamedJob<out R> extends Enqueueable {
  readonly serving: JobWorker.Serving<R>
}

/**
 * The durable jobs of an application.
 *
 * @category models
 */
export interface Jobs<out R> {
  /** The queues that a process of it works on, unless `OSTINATO_QUEUES` names others. */
  readonly queues: Readonly<Record<string, JobWorker.QueueOptions>>
  readonly tasks: ReadonlyArray<NamedJob<R>>
}

/**
 * @category models
 */
export interface AppModule<Provides, E> {
  readonly name: string
  /** Its tables, in a database schema of its own. */
  readonly migrations: Line
  /** Its handlers and services. */
  readonly layer: Layer.Layer<Provides, E, Host>
  readonly tasks: ReadonlyArray<NamedTask<Provides | RunLog>>
  readonly schedules: ReadonlyArray<PeriodicTask<Provides | RunLog | JobStore>>
  /** Defaults to none: no worker runs. */
  readonly jobs?: Jobs<Provides> | undefined
  /** Its endpoints, below `/api/v1/<name>`. */
  readonly routes: Layer.Layer<never, E, Provides | Web>
  /** Brings its gauges up to date; called before every answer of `/metrics`. Defaults to nothing. */
  readonly refreshMetrics?: Effect.Effect<void, never, Provides> | undefined
  /** Directory of its built page, with `index.html` and `assets/`. Defaults to none: `/` is not found. */
  readonly page?: string | undefined
}

/**
 * Makes a task startable by name. It runs in the fiber of whoever starts it.
 *
 * @category constructors
 */
export const task = <
  Name extends string,
  P extends Task.Storable,
  S extends Task.Storable,
  E extends Task.Storable,
  R = Task.Handler<Name>
>(
  task: Task.Task<Name, P, S, E, R>,
  options?: {
    /** What a start without input means. Defaults to none: such a start is one with an empty object. */
    readonly payload?: P["Type"] | undefined
  }
): NamedTask<R | RunLog> => ({
  name: task.name,
  dispatch: (input, trigger) =>
    Effect.flatMap(
      input === undefined && options?.payload !== undefined
        ? Effect.succeed(options.payload)
        : Task.decodePayload(task, input ?? {}),
      (payload) => Dispatch.here(task, payload, trigger)
    )
})

/**
 * Makes a task one that workers run, and that can be enqueued by name.
 *
 * @category constructors
 */
export const job = <
  Name extends string,
  P extends Task.Storable,
  S extends Task.Storable,
  E extends Task.Storable,
  R = Task.Handler<Name>
>(
  task: Task.Task<Name, P, S, E, R>,
  options?: JobWorker.ServeOptions<E["Type"]> & {
    /** What every job of it is enqueued with, unless whoever enqueues says otherwise. */
    readonly enqueue?: JobOptions<P["Type"]> | undefined
    /** What an enqueue without input means. Defaults to none: it is one with an empty object. */
    readonly payload?: P["Type"] | undefined
  }
): NamedJob<R> => ({
  name: task.name,
  task,
  serving: JobWorker.serve(task, options),
  enqueue: (input, said) =>
    Effect.flatMap(
      input === undefined && options?.payload !== undefined
        ? Effect.succeed(options.payload)
        : Task.decodePayload(task, input ?? {}),
      (payload) => JobQueue.enqueue(task, payload, { ...options?.enqueue, ...said })
    )
})
