/**
 * The other end: begins one call at a time, in the order in which they came, and answers each before the next begins.
 *
 * Runs inside the thread and loads nothing, so that a thread is ready as fast as Node can start it. Code that gives an
 * Effect loads Effect then.
 */
// @effect-diagnostics asyncFunction:off -- Effect is not loaded here
import { CallContext, type Current, isStopped } from "./callContext.ts"
import type { Order, Seed, Thrown } from "./protocol.ts"
import { stuckIn } from "./protocol.ts"
import * as Replies from "./replies.ts"

type Code = (payload: unknown, context: object) => unknown

interface Call {
  readonly id: number
  readonly slot: number
  readonly code: number
  readonly isShort: boolean
  readonly payload: unknown
}

export interface Server {
  readonly take: (order: Order) => void
  /** Sends every reply that waits. */
  readonly flush: () => void
}

/** Takes the orders of the pool. */
export const serve = (port: Replies.Port, { config: given, slots, threadId }: Seed): Server => {
  const surroundings = { config: frozen(given), slots, threadId }
  const replies = Replies.make(port, slots)
  const calls: Array<Call> = []
  const names = new Map<number, string>()
  const known = new Map<number, Code>()
  let current: Current | undefined
  let isBusy = false

  // the shape is fixed by the protocol
  // oxlint-disable typescript/no-unsafe-type-assertion -- as said
  const callAt = (order: ReadonlyArray<unknown>, at: number): Call => ({
    id: order[at] as number,
    slot: order[at + 1] as number,
    code: typeof order[at + 2] === "number" ? order[at + 2] as number : learned(order[at + 2] as string),
    isShort: order[at + 3] as boolean,
    payload: order[at + 4]
  })
  // oxlint-enable typescript/no-unsafe-type-assertion

  const learned = (said: string): number => {
    const colon = said.indexOf(":")
    const index = Number(said.slice(0, colon))
    names.set(index, said.slice(colon + 1))
    return index
  }

  const execute = (call: Call): Promise<void> | undefined => {
    const { code: index, id, isShort, payload, slot } = call
    if (!isShort) replies.flush()
    if (slots !== null && Atomics.compareExchange(slots, slot, id, -id) !== id) return undefined
    const running: Current = { id, slot, controller: undefined, isAsked: false, buffers: undefined }
    current = running
    const context = new CallContext(running, surroundings)
    let begunAt = 0
    const answer = (value: unknown) => {
      current = undefined
      if (running.buffers === undefined) replies.add([id, "value", value, port.now() - begunAt], slot)
      else replies.addMoving([id, "value", value, port.now() - begunAt], running.buffers)
    }
    const broken = (error: unknown) => {
      current = undefined
      replies.add([id, "thrown", thrown(error), port.now() - begunAt], slot)
    }
    const run = (code: Code): Promise<void> | undefined => {
      begunAt = port.now()
      try {
        const value = code(payload, context)
        if (isLater(value)) return settled(value, () => context.signal).then(answer, broken)
        answer(value)
      } catch (error) {
        broken(error)
      }
      return undefined
    }
    const code = known.get(index)
    if (code !== undefined) return run(code)
    return load(names.get(index) ?? "").then((found) => {
      begunAt = port.now()
      if (typeof found === "string") {
        current = undefined
        replies.add([id, "absent", found, 0], slot)
        return undefined
      }
      known.set(index, found)
      return isStopped(running, slots) ? broken("stopped before it began") : run(found)
    })
  }

  const drain = async () => {
    isBusy = true
    for (let call = calls.shift(); call !== undefined; call = calls.shift()) {
      const later = execute(call)
      if (later === undefined) replies.flushDue()
      else {
        replies.flush()
        await later
      }
    }
    replies.flush()
    isBusy = false
  }

  return {
    flush: replies.flush,
    take: (order) => {
      if (typeof order === "number") {
        if (current?.id !== order) return
        current.isAsked = true
        port.post([[order, "heard", null, 0]])
        current.controller?.abort()
        return
      }
      for (let at = 0; at < order.length; at += 5) calls.push(callAt(order, at))
      if (!isBusy) void drain()
    }
  }
}

const frozen = (value: unknown): unknown => {
  if (typeof value === "object" && value !== null) {
    Object.values(value).forEach(frozen)
    Object.freeze(value)
  }
  return value
}

const isEffect = (value: object) => "~effect/Effect" in value

const isLater = (value: unknown): value is PromiseLike<unknown> =>
  typeof value === "object" && value !== null && ("then" in value || isEffect(value))

const settled = async (value: object, signal: () => AbortSignal): Promise<unknown> =>
  isEffect(value) ? (await import("./effects.ts")).run(value, signal()) : value

/** Gives a sentence where there is no such code. */
const load = async (code: string): Promise<Code | string> => {
  const [, module = "", name = ""] = /^(.*)#(.*)$/s.exec(code) ?? []
  try {
    const found: unknown = (await loadEither(module))[name]
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what it takes is the contract's to say
    return typeof found === "function" ? found as Code : `the module has no function of this name, but ${typeof found}`
  } catch (error) {
    return error instanceof Error ? error.stack ?? error.message : String(error)
  }
}

const loadEither = async (module: string): Promise<Record<string, unknown>> => {
  try {
    return await import(module)
  } catch (error) {
    const other = module.endsWith(".ts") ? module.replace(/ts$/, "js") : module.replace(/js$/, "ts")
    if (other === module || !isMissing(error, module)) throw error
    try {
      return await import(other)
    } catch (second) {
      throw isMissing(second, other) ? error : second
    }
  }
}

const isMissing = (error: unknown, module: string) =>
  error instanceof Error && "code" in error && error.code === "ERR_MODULE_NOT_FOUND" && "url" in error &&
  error.url === module

const thrown = (error: unknown): Thrown => {
  if (typeof error !== "object" || error === null) {
    return {
      fields: stuckIn(error, "") === undefined ? error : null,
      name: typeof error,
      message: String(error),
      stack: ""
    }
  }
  const fields = Object.fromEntries(
    ["_tag", "name", "message", ...Object.keys(error)].flatMap((key): Array<[string, unknown]> => {
      const value: unknown = Reflect.get(error, key)
      return value === undefined || stuckIn(value, "") !== undefined ? [] : [[key, value]]
    })
  )
  const said = (key: string, otherwise: string) => typeof fields[key] === "string" ? fields[key] : otherwise
  return {
    fields,
    name: said("name", "Error"),
    message: said("message", said("_tag", "an object was thrown")),
    stack: error instanceof Error ? error.stack ?? "" : ""
  }
}
