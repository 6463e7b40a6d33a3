/**
 * One piece of work that a pool was given: what the pool keeps of it, and the handle of whoever gave it, in one object.
 *
 * A million of them may wait, so nothing is made before it is needed: no fiber, no timer, no `Deferred`. What the work
 * held is let go when it ends; the handle keeps its outcome only.
 */
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import type { PoolStatus } from "../../TaskPool.ts"
import type { Prepared } from "./prepare.ts"
import { type Settings, statusOf } from "./settings.ts"

/** Where a submission is. `offered`: the pool has not taken it. */
export type Place = "offered" | "waiting" | "starting" | "running" | "stopping" | "ended"

/** The pool, as its submissions see it. */
interface Owner {
  /** Asks for the end of a submission, which comes at once where it has not begun. */
  readonly cancel: (submission: Submission) => void
}

type Observer = (exit: Exit.Exit<unknown, unknown>) => void

export class Submission {
  readonly owner: Owner
  readonly settings: Settings
  place: Place
  work: Prepared | undefined
  context: Context.Context<never> | undefined
  fiber: Fiber.Fiber<unknown, unknown> | undefined
  exit: Exit.Exit<unknown, unknown> | undefined
  observers: Observer | Array<Observer> | undefined
  /** When it was accepted, and from its start on when that was: milliseconds of the pool's life. */
  at: number
  /** When somebody has to look at it; -1 for never. */
  due: number
  // neighbours in the one list that holds it
  next: Submission | undefined
  prev: Submission | undefined

  constructor(owner: Owner, settings: Settings, work: Prepared, context: Context.Context<never>) {
    this.owner = owner
    this.settings = settings
    this.place = "offered"
    this.work = work
    this.context = context
    this.fiber = undefined
    this.exit = undefined
    this.observers = undefined
    this.at = 0
    this.due = -1
    this.next = undefined
    this.prev = undefined
  }

  get await(): Effect.Effect<unknown, unknown> {
    return this.exit ?? Effect.suspend(() => this.exit ?? this.ended)
  }

  get cancel(): Effect.Effect<boolean> {
    return Effect.suspend(() => {
      if (this.exit !== undefined) return Effect.succeed(false)
      this.owner.cancel(this)
      return Effect.as(Effect.exit(this.await), true)
    })
  }

  get status(): Effect.Effect<PoolStatus> {
    return Effect.sync(() => {
      if (this.exit !== undefined) return this.exit._tag === "Success" ? "completed" : statusOf(this.exit)
      return this.place === "offered" || this.place === "waiting" ? "waiting" : "running"
    })
  }

  /** Lets go of all that the work held. Those who wait are to be told. */
  end(exit: Exit.Exit<unknown, unknown>): void {
    this.exit = exit
    this.place = "ended"
    this.work = undefined
    this.context = undefined
    this.fiber = undefined
  }

  tell(): void {
    const { exit, observers } = this
    this.observers = undefined
    if (observers === undefined || exit === undefined) return
    if (typeof observers === "function") return observers(exit)
    for (const observer of observers) observer(exit)
  }

  private get ended(): Effect.Effect<unknown, unknown> {
    return Effect.callback<unknown, unknown>((resume) => {
      if (this.exit !== undefined) return resume(this.exit)
      const observer: Observer = (exit) => resume(exit)
      if (this.observers === undefined) this.observers = observer
      else if (typeof this.observers === "function") this.observers = [this.observers, observer]
      else this.observers.push(observer)
      return Effect.sync(() => this.forget(observer))
    })
  }

  private forget(observer: Observer): void {
    if (this.observers === observer) this.observers = undefined
    else if (Array.isArray(this.observers)) {
      this.observers = this.observers.filter((other) => other !== observer)
    }
  }
}
