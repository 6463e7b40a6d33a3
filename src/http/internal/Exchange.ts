/**
 * One request and its answer. Every change happens in one synchronous step, so whoever ends a request first decides: handler,
 * deferral, time limit, cancellation, shutdown or the client that left. What comes later changes nothing.
 *
 *   begin --> handler runs --> decided --handler ended | grace over--> scope closed | grace over --> answer sent
 *
 * The handler runs in a fiber and a Scope of its own, so that an answer never waits for work that does not stop.
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Scope from "effect/Scope"
import { randomUUID } from "node:crypto"
import * as Drain from "../../core/Drain.ts"
import { ActiveRequest } from "../ActiveRequest.ts"
import { type EndState, isOpen, type RequestState, type RequestSummary } from "../RequestState.ts"
import * as answers from "./answers.ts"
import { measured } from "./slices.ts"
import { watched } from "./streamed.ts"
import type { Limited, Timeouts } from "./Timeouts.ts"

export type Reply = Exit.Exit<HttpServerResponse.HttpServerResponse, unknown>
export type Answer = Effect.Effect<HttpServerResponse.HttpServerResponse, unknown, unknown>

/** What becomes of the work when its client is gone. */
export type Departure = "interrupt" | "detach" | Effect.Effect<unknown, unknown>

/** Milliseconds, of every request unless something else is said of it. */
export interface Settings {
  /** 0: none. */
  readonly timeoutMs: number
  readonly timeoutStatus: number
  readonly graceMs: number
  /** 0: nobody asks. */
  readonly stallMs: number
  readonly capacity: number
  readonly history: number
}

/** What an exchange is part of. */
export interface Host {
  readonly base: Context.Context<never>
  readonly timeouts: Timeouts
  readonly settings: Settings
  /** It has ended; its work may still go on. */
  readonly ended: (exchange: Exchange) => void
  /** Nothing of it goes on any more. */
  readonly left: (exchange: Exchange) => void
}

export class Exchange implements Limited {
  readonly id: string = randomUUID()
  readonly method: string
  readonly route: string
  readonly beganAt: number
  /** Of the wall clock, for people. */
  readonly startedAt: number
  at: RequestState = "pending"
  limitMs = 0
  due = 0
  /** Of the answer at a time limit. */
  timeoutStatus: number
  onDisconnect: Departure = "interrupt"
  connected = true
  /** What was answered; null before, and where nobody was there to read it. */
  status: number | null = null
  /** In words, why it ended as it did; null where its handler decided. */
  why: string | null = null
  /** Its handler has not returned. */
  isHandling = false
  private readonly host: Host
  private readonly scope = Scope.makeUnsafe()
  private fiber: Fiber.Fiber<HttpServerResponse.HttpServerResponse, unknown> | undefined
  private reply: Reply | undefined
  private wantedMs: number
  private isArmed = false
  private endedAt: number | undefined
  private isSettled = false
  private isSent = false
  private isLeft = false
  private context: Context.Context<never>
  private resume: ((reply: Reply) => void) | undefined
  private placeholder: HttpServerResponse.HttpServerResponse | undefined
  private controller: AbortController | undefined
  private endings: Array<() => void> | undefined
  private departures: Array<() => void> | undefined
  private bells: Array<() => void> | undefined

  constructor(host: Host, method: string, route: string, startedAt: number) {
    this.host = host
    this.wantedMs = host.settings.timeoutMs
    this.timeoutStatus = host.settings.timeoutStatus
    this.method = method
    this.route = route
    this.startedAt = startedAt
    this.beganAt = host.timeouts.now()
    this.context = host.base
  }

  /** Runs the handler. Gives the answer where there is one at once. */
  begin(answer: Answer, outer: Context.Context<never>): Reply | undefined {
    const context = Context.add(Context.add(outer, Scope.Scope, this.scope), ActiveRequest, this)
    this.context = outer
    const { stallMs } = this.host.settings
    this.isHandling = true
    // the context of a request has what its handler needs: the router sees to that
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- as said
    const fork = () => Effect.runForkWith(context as Context.Context<unknown>)(answer)
    const fiber = stallMs > 0 ? measured(stallMs, (ms) => this.stalled(ms), fork) : fork()
    const exit = fiber.pollUnsafe()
    if (exit === undefined) {
      this.fiber = fiber
      fiber.addObserver((exit) => this.handled(exit))
      if (!isOpen(this.at) && this.at !== "completed") fiber.interruptUnsafe()
    } else this.handled(exit)
    this.isArmed = true
    this.arm()
    return this.isSent ? this.reply : undefined
  }

  /** Waits for the answer. */
  get awaited(): Effect.Effect<HttpServerResponse.HttpServerResponse, unknown> {
    return Effect.callback((resume) => {
      if (this.isSent && this.reply !== undefined) resume(this.reply)
      else this.resume = resume
    })
  }

  /** What may be told of it. */
  get summary(): RequestSummary {
    return {
      id: this.id,
      method: this.method,
      route: this.route,
      state: this.at,
      startedAt: DateTime.makeUnsafe(this.startedAt),
      ageMs: Math.round((this.endedAt ?? this.host.timeouts.now()) - this.beganAt),
      connected: this.connected,
      status: this.status,
      reason: this.why
    }
  }

  /** Its answer is on its way. */
  get isAnswered(): boolean {
    return this.isSent
  }

  /** Its handler answered it, at once: there is nothing to tell of it. */
  get isPlain(): boolean {
    return this.at === "completed" && this.placeholder === undefined
  }

  /** What its client was given, where that can be given again. */
  get answered(): HttpServerResponse.HttpServerResponse | undefined {
    if (this.at !== "completed" || this.reply === undefined || Exit.isFailure(this.reply)) return undefined
    const { value } = this.reply
    return value.status < 500 && value.body._tag !== "Stream" ? value : undefined
  }

  get isEnded(): boolean {
    return !isOpen(this.at)
  }

  /** What a handler returns whose answer comes later. */
  get later(): HttpServerResponse.HttpServerResponse {
    return this.placeholder ??= HttpServerResponse.empty({ status: 500 })
  }

  get state(): Effect.Effect<RequestState> {
    return Effect.sync(() => this.at)
  }

  get isConnected(): Effect.Effect<boolean> {
    return Effect.sync(() => this.connected)
  }

  get disconnected(): Effect.Effect<void> {
    return Effect.callback((resume) => {
      if (!this.connected) return resume(Effect.void)
      const left = () => resume(Effect.void)
      this.departures = [...this.departures ?? [], left]
      return Effect.sync(() => {
        this.departures = this.departures?.filter((one) => one !== left)
      })
    })
  }

  get signal(): AbortSignal {
    if (this.controller === undefined) {
      this.controller = new AbortController()
      if (!this.connected || this.isEnded && this.at !== "completed") this.controller.abort()
    }
    return this.controller.signal
  }

  /** Calls this when the request has ended, or now. */
  onEnd(listener: () => void): void {
    if (this.isEnded) listener()
    else (this.endings ??= []).push(listener)
  }

  /** Gives it so much time from its beginning; 0: as long as it takes. */
  limit(limitMs: number, status = this.timeoutStatus): void {
    this.timeoutStatus = status
    this.wantedMs = limitMs
    if (this.isArmed) this.arm()
  }

  /** Answers it, if nobody has. */
  complete(reply: Reply): boolean {
    if (Exit.isSuccess(reply) && reply.value.body._tag === "Stream") {
      if (this.isEnded || this.at === "streaming") return false
      this.stream(reply.value)
      return true
    }
    return this.end("completed", reply)
  }

  /** Ends it, if nobody has. What still works for it is asked to stop, unless it was completed or `keeps` says so. */
  end(state: EndState, reply: Reply, why: string | null = null, keeps = state === "completed"): boolean {
    if (this.isEnded) return false
    const wasStreaming = this.at === "streaming"
    this.at = state
    this.why = why
    if (!wasStreaming) {
      this.reply = reply
      if (this.connected) this.status = answers.statusOf(reply)
    }
    this.endedAt = this.host.timeouts.now()
    this.host.timeouts.clear(this)
    this.host.ended(this)
    const listeners = this.endings
    this.endings = undefined
    for (const listener of listeners ?? []) listener()
    if (state !== "completed") this.controller?.abort()
    if (!keeps) this.fiber?.interruptUnsafe()
    if (!this.isHandling) this.settle()
    else if (state === "completed" || !keeps) {
      this.host.timeouts.set(this, this.host.settings.graceMs, this.host.timeouts.now())
    }
    return true
  }

  /** Its time is up, or that of what has to stop. */
  late(): void {
    if (!this.isEnded) {
      const ms = Math.round(this.host.timeouts.now() - this.beganAt)
      this.end("timeout", answers.timedOut(this.timeoutStatus, ms), `no answer after ${ms} ms`)
      return
    }
    this.say(
      Effect.logWarning(`${this.method} ${this.route}: its handler goes on although the request has ended (${this.at})`)
    )
    this.settle()
  }

  /** Nobody waits for the answer any more: its client has left, or the server closes. */
  gone(isClient: boolean): void {
    this.resume = undefined
    if (!isClient) {
      this.end("cancelled", answers.stopped, "the server stops")
      return
    }
    const listeners = this.departures
    this.connected = false
    this.departures = undefined
    this.controller?.abort()
    for (const listener of listeners ?? []) listener()
    if (this.isEnded) return
    const ms = Math.round(this.host.timeouts.now() - this.beganAt)
    this.say(Effect.logInfo(`499 ${this.method} ${this.route}: the client left after ${ms} ms`))
    const departure = this.at === "queued" || this.at === "streaming" ? "interrupt" : this.onDisconnect
    this.end("disconnected", answers.gone, `the client left after ${ms} ms`, departure === "detach")
    if (Effect.isEffect(departure)) this.say(handedOver(this, departure))
  }

  /** The response was sent off, with or without the body that it had. */
  sentOff(): void {
    if (this.at === "streaming" && this.reply !== undefined) this.end("completed", this.reply)
  }

  /** What answers at once needs no timer. */
  private arm(): void {
    if (!this.isEnded && this.at !== "streaming") this.host.timeouts.set(this, this.wantedMs, this.beganAt)
  }

  private handled(exit: Reply): void {
    this.isHandling = false
    this.fiber = undefined
    if (this.isEnded || this.at === "streaming") {
      if (Exit.isFailure(exit) && Cause.hasDies(exit.cause)) {
        this.say(Effect.logError(`${this.method} ${this.route} broke after its end (${this.at})`, exit.cause))
      }
      if (this.isEnded) this.settle()
      return
    }
    if (Exit.isSuccess(exit) && exit.value === this.placeholder) this.at = "deferred"
    else this.complete(exit)
  }

  /** Sends the head at once; the request ends with its stream. */
  private stream(response: HttpServerResponse.HttpServerResponse): void {
    this.at = "streaming"
    this.host.timeouts.clear(this)
    this.status = response.status
    this.reply = Exit.succeed(watched(response, {
      halted: (halt) => this.onEnd(halt),
      ended: (exit) => {
        if (Exit.isSuccess(exit) || !Cause.hasInterrupts(exit.cause)) this.end("completed", Exit.succeed(response))
        else this.gone(true)
        return this.left
      }
    }))
    this.send()
  }

  /** Closes the scope of the work, then sends the answer. */
  private settle(): void {
    if (this.isSettled) return
    this.isSettled = true
    this.host.timeouts.clear(this)
    const closing = Scope.closeUnsafe<unknown, unknown>(this.scope, this.reply ?? Exit.void)
    if (closing === undefined) return this.finish()
    Effect.runForkWith(this.host.base)(Drain.atMost(this.host.settings.graceMs)(closing)).addObserver(() =>
      this.finish()
    )
  }

  private finish(): void {
    this.isLeft = true
    this.host.left(this)
    this.bells?.forEach((ring) => ring())
    this.send()
  }

  /** Waits until nothing of it goes on. */
  private get left(): Effect.Effect<void> {
    return Effect.callback((resume) => {
      if (this.isLeft) resume(Effect.void)
      else (this.bells ??= []).push(() => resume(Effect.void))
    })
  }

  say(line: Effect.Effect<void>): void {
    Effect.runForkWith(this.context)(line)
  }

  private send(): void {
    if (this.isSent) return
    this.isSent = true
    const { reply, resume } = this
    this.resume = undefined
    if (resume !== undefined && reply !== undefined) resume(reply)
  }

  private stalled(ms: number): void {
    this.say(
      Effect.logWarning(
        `${this.method} ${this.route} held the event loop for ${Math.round(ms)} ms: nothing else was answered. ` +
          "Give long computations to a ThreadPool"
      )
    )
  }
}

const handedOver = ({ method, route }: Exchange, work: Effect.Effect<unknown, unknown>): Effect.Effect<void> =>
  Effect.catchCause(
    Effect.asVoid(work),
    (cause) => Effect.logError(`${method} ${route}: its client left, and its work could not be handed over`, cause)
  )
