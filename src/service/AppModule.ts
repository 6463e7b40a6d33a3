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
 * @category models
 */
export interface AppModule<Provides, E> {
  readonly name: string
  /** Its tables, in a database schema of its own. */
  readonly migrations: Line
  /** Its handlers and services. */
  readonly layer: Layer.Layer<Provides, E, Host>
  readonly tasks: ReadonlyArray<NamedTask<Provides | RunLog>>
  readonly schedules: ReadonlyArray<PeriodicTask<Provides | RunLog>>
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
