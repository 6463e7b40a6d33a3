/** The exchanges of a server: who comes in, who is there, who was. */
import type * as Clock from "effect/Clock"
import type * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Latch from "effect/Latch"
import type { Cancelled } from "../RequestRegistry.ts"
import type { RequestSummary } from "../RequestState.ts"
import * as answers from "./answers.ts"
import { Exchange, type Host, type Settings } from "./Exchange.ts"
import { Timeouts } from "./Timeouts.ts"

export class Register implements Host {
  readonly base: Context.Context<never>
  readonly timeouts: Timeouts
  readonly settings: Settings
  /** Those that have not ended. */
  readonly active = new Set<Exchange>()
  private readonly clock: Clock.Clock
  /** Those whose work still goes on although they have ended. */
  private readonly working = new Set<Exchange>()
  /** What is told of those that are over: not they themselves, which hold what they answered. */
  private readonly past = new Map<string, RequestSummary>()
  private readonly quiet = Latch.makeUnsafe(true)
  private isOpen = true

  constructor(base: Context.Context<never>, clock: Clock.Clock, settings: Settings) {
    this.base = base
    this.clock = clock
    this.settings = settings
    this.timeouts = new Timeouts(base, clock)
  }

  /** Takes a request in, or says why not. */
  admit(method: string, route: string): Exchange | HttpServerResponse.HttpServerResponse {
    const { capacity } = this.settings
    if (!this.isOpen) return answers.refused
    if (this.active.size >= capacity) return answers.full(capacity)
    const exchange = new Exchange(this, method, route, this.clock.currentTimeMillisUnsafe())
    this.active.add(exchange)
    return exchange
  }

  ended(exchange: Exchange): void {
    this.active.delete(exchange)
    this.working.add(exchange)
    if (exchange.isPlain) return
    this.past.set(exchange.id, exchange.summary)
    if (this.past.size <= this.settings.history) return
    for (const [oldest] of this.past) {
      this.past.delete(oldest)
      break
    }
  }

  left(exchange: Exchange): void {
    this.working.delete(exchange)
    if (!this.isOpen && this.active.size + this.working.size === 0) this.quiet.openUnsafe()
  }

  list(): ReadonlyArray<Exchange> {
    return Array.from(this.active)
  }

  find(id: string): RequestSummary | null {
    return this.activeOf(id)?.summary ?? this.past.get(id) ?? null
  }

  cancel(id: string, status: number, reason: string | undefined): Cancelled {
    const exchange = this.activeOf(id)
    if (exchange === undefined) return this.past.has(id) ? "ended" : "unknown"
    exchange.end("cancelled", answers.cancelled(status, reason), reason ?? "somebody cancelled it")
    return "cancelled"
  }

  timeoutAll(): number {
    const all = this.list()
    for (const exchange of all) exchange.late()
    return all.length
  }

  cleanUp(): number {
    const left = this.list().filter(({ connected }) => !connected)
    for (const exchange of left) exchange.end("disconnected", answers.gone, "its client had left")
    return left.length
  }

  /** By state, of those that are active. */
  figures(): { readonly active: number; readonly deferred: number } {
    let deferred = 0
    for (const { at } of this.active) if (at === "deferred") deferred += 1
    return { active: this.active.size, deferred }
  }

  drain(limit: Duration.Input): Effect.Effect<number> {
    return Effect.gen({ self: this }, function*() {
      this.shut()
      yield* Effect.timeoutOption(this.quiet.await, limit)
      const rest = this.timeoutAll()
      yield* Effect.timeoutOption(this.quiet.await, this.settings.graceMs * 2)
      return rest
    })
  }

  get close(): Effect.Effect<void> {
    return Effect.gen({ self: this }, function*() {
      this.shut()
      for (const exchange of this.list()) exchange.end("cancelled", answers.stopped, "the server stops")
      yield* Effect.timeoutOption(this.quiet.await, this.settings.graceMs * 2)
      this.timeouts.stop()
    })
  }

  private activeOf(id: string): Exchange | undefined {
    for (const one of this.active) if (one.id === id) return one
    return undefined
  }

  private shut(): void {
    this.isOpen = false
    if (this.active.size + this.working.size > 0) this.quiet.closeUnsafe()
  }
}
