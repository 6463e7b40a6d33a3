/** How one submission is to be treated, worked out once for all that share their options. */
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import type * as Schedule from "effect/Schedule"
import { availableParallelism } from "node:os"
import { PoolInvalid } from "../../PoolError.ts"
import { TaskInterrupted } from "../../TaskError.ts"
import type { Call, Capacity, Options, PoolPriority, PoolStatus, SubmitOptions } from "../../TaskPool.ts"
import type { Prepared } from "./prepare.ts"

export interface Settings {
  /** Null where the submission has none. */
  readonly name: string | null
  readonly rank: 0 | 1 | 2
  /** Milliseconds; -1 for no limit. */
  readonly timeout: number
  readonly softTimeout: number
  readonly grace: number
  readonly retry: Schedule.Schedule<unknown> | undefined
}

/** Work as it is submitted. */
export type Given = Effect.Effect<unknown, unknown> | ((signal: AbortSignal) => unknown) | Call<unknown, unknown, never>

const ranks: Readonly<Record<PoolPriority, 0 | 1 | 2>> = { high: 0, normal: 1, low: 2 }

/** Whole milliseconds, rounded up; -1 for what is infinite. */
export const millis = (input: Duration.Input): number => {
  const duration = Duration.fromInputUnsafe(input)
  return Duration.isFinite(duration) ? Math.ceil(Duration.toMillis(duration)) : -1
}

/** Takes work and its options apart. Whoever submits often with the same options pays once. */
export const settler = (pool: Options) => {
  const settingsOf = (
    options: SubmitOptions | undefined,
    task?: Partial<Pick<Call<unknown, unknown, never>, "name" | "timeout" | "grace">>
  ): Settings => {
    const own = task?.timeout !== undefined && Duration.isFinite(task.timeout) ? Duration.infinity : undefined
    return {
      name: options?.name ?? task?.name ?? null,
      rank: ranks[options?.priority ?? "normal"],
      timeout: millis(options?.timeout ?? own ?? pool.timeout ?? "5 minutes"),
      softTimeout: millis(options?.softTimeout ?? pool.softTimeout ?? Duration.infinity),
      grace: millis(task?.grace ?? pool.grace ?? "3 seconds"),
      // it takes the errors of the work that it came with
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- as said
      retry: options?.retry as Settings["retry"]
    }
  }
  const plain = settingsOf(undefined)
  let lastOptions: SubmitOptions | undefined
  let last = plain
  const settle = <A>(
    work: Given,
    options: SubmitOptions | undefined,
    use: (prepared: Prepared, settings: Settings) => A
  ): A => {
    if (typeof work !== "function" && !Effect.isEffect(work)) return use(work.effect, settingsOf(options, work))
    if (options === undefined) return use(work, plain)
    if (options !== lastOptions) {
      last = settingsOf(options)
      lastOptions = options
    }
    return use(work, last)
  }
  return { settle, settingsOf }
}

/** A number of slots that makes sense. */
export const sizeOf = (
  pool: string,
  capacity: Capacity,
  cores: number = availableParallelism()
): Effect.Effect<number, PoolInvalid> => {
  const size = capacity === "auto" ? Math.max(2, cores) : capacity === "io" ? 64 : capacity
  return Number.isInteger(size) && size >= 1 ? Effect.succeed(size) : Effect.fail(
    new PoolInvalid({
      pool,
      option: "capacity",
      detail: `is ${size}: give a whole number from 1 on, "auto" for max(2, cores), or "io" for 64`
    })
  )
}

/** What a failed end is called. */
export const statusOf = ({ cause }: Exit.Failure<unknown, unknown>): PoolStatus =>
  cause.reasons.some((reason) => Cause.isFailReason(reason) && reason.error instanceof TaskInterrupted)
    ? "interrupted"
    : "failed"
