/**
 * Gathers attempts of one task into calls.
 *
 *   gathering --full | the first has waited long enough--> called --> every attempt goes on with its own outcome
 *
 * An attempt that is interrupted while it waits is not in the call. One that is interrupted during the call waits for its
 * end, which comes at once where all others have left too.
 */
import * as Arr from "effect/Array"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Logger from "effect/Logger"
import * as Result from "effect/Result"
import type { Item } from "../../ChunkedTask.ts"
import { lineOf } from "./capture.ts"
import { CurrentAttempt, type LiveAttempt } from "./LiveAttempt.ts"

export type Outcome<S, E> = Result.Result<S, E> | Exit.Exit<S, E>

interface Seat<P, S, E> {
  readonly item: Item<P>
  readonly live: LiveAttempt | null
  readonly resume: (outcome: Exit.Exit<S, E>) => void
}

interface Call<P, S, E> {
  readonly seats: Set<Seat<P, S, E>>
  /** Of those who still wait. */
  waiting: number
  timer: Fiber.Fiber<void> | undefined
  fiber: Fiber.Fiber<ReadonlyArray<Outcome<S, E>>, E> | undefined
}

export interface Options<P, S, E, R> {
  readonly task: string
  readonly size: number
  /** Milliseconds. */
  readonly wait: number
  /** What a call needs. */
  readonly context: Context.Context<R>
  readonly call: (items: Arr.NonEmptyReadonlyArray<Item<P>>) => Effect.Effect<ReadonlyArray<Outcome<S, E>>, E, R>
}

export class Collector<P, S, E, R> {
  private readonly options: Options<P, S, E, R>
  private gathering: Call<P, S, E> | undefined

  constructor(options: Options<P, S, E, R>) {
    this.options = options
  }

  /** The outcome of one attempt, in a call with others. */
  join(payload: P): Effect.Effect<S, E> {
    return Effect.flatMap(CurrentAttempt, (live) =>
      Effect.callback<S, E>((resume) => {
        const call = this.gathering ??= { seats: new Set(), waiting: 0, timer: undefined, fiber: undefined }
        const seat: Seat<P, S, E> = { item: { payload, job: live?.current ?? null }, live, resume }
        call.seats.add(seat)
        call.waiting += 1
        if (live === null || call.seats.size >= this.options.size) this.begin(call)
        else call.timer ??= this.after(this.options.wait, call)
        return Effect.suspend(() => this.leave(call, seat))
      }))
  }

  private after(wait: number, call: Call<P, S, E>): Fiber.Fiber<void> {
    const begun = Effect.sync(() => {
      call.timer = undefined
      this.begin(call)
    })
    return Effect.runForkWith(this.options.context)(Effect.delay(begun, wait))
  }

  private begin(call: Call<P, S, E>): void {
    if (this.gathering === call) this.gathering = undefined
    call.timer?.interruptUnsafe()
    const seats = Array.from(call.seats)
    const items = seats.map(({ item }) => item)
    if (!Arr.isArrayNonEmpty(items)) return
    const { context } = this.options
    const logger = Logger.make((line) => {
      for (const { live } of seats) live?.logged(lineOf(line))
    })
    const loggers = new Set([...Context.get(context, Logger.CurrentLoggers), logger])
    const work = Effect.suspend(() => this.options.call(items))
    call.fiber = Effect.runForkWith(Context.add(context, Logger.CurrentLoggers, loggers))(work)
    call.fiber.addObserver((exit) => {
      for (const [i, { resume }] of seats.entries()) resume(this.outcomeOf(exit, i, seats.length))
    })
  }

  private outcomeOf(exit: Exit.Exit<ReadonlyArray<Outcome<S, E>>, E>, i: number, size: number): Exit.Exit<S, E> {
    if (Exit.isFailure(exit)) return Exit.failCause(exit.cause)
    const outcome = exit.value[i]
    if (outcome === undefined || exit.value.length !== size) {
      return Exit.die(
        new Error(`the handler of task ${this.options.task} gave ${exit.value.length} outcomes for ${size} items`)
      )
    }
    return Exit.isExit(outcome)
      ? outcome
      : Result.isSuccess(outcome)
      ? Exit.succeed(outcome.success)
      : Exit.fail(outcome.failure)
  }

  private leave(call: Call<P, S, E>, seat: Seat<P, S, E>): Effect.Effect<void> {
    call.waiting -= 1
    if (call.fiber !== undefined) {
      if (call.waiting === 0) call.fiber.interruptUnsafe()
      return Effect.asVoid(Fiber.await(call.fiber))
    }
    call.seats.delete(seat)
    if (call.waiting === 0) {
      call.timer?.interruptUnsafe()
      if (this.gathering === call) this.gathering = undefined
    }
    return Effect.void
  }
}
