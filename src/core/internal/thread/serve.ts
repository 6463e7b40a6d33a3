/**
 * The other end: begins one call at a time, in the order in which they came, and answers each before the next begins.
 *
 * Runs inside the thread and loads nothing, so that a thread is ready as fast as Node can start it. Code that gives an
 * Effect loads Effect then.
 */
// @effect-diagnostics asyncFunction:off -- Effect is not loaded here
import type { Call, Order, Reply, Seed, Thrown } from "./protocol.ts"
import { stuckIn } from "./protocol.ts"

export interface Port {
  readonly post: (reply: Reply, transfer?: ReadonlyArray<ArrayBuffer>) => void
  readonly now: () => number
}

type Code = (payload: unknown, context: object) => unknown

interface Current {
  readonly id: number
  readonly slot: number
  controller: AbortController | undefined
  isStopped: boolean
}

/** Takes the orders of the pool. */
export const serve = (port: Port, seed: Seed): (order: Order) => void => {
  const config = frozen(seed.config)
  const calls: Array<Call> = []
  const known = new Map<string, Code>()
  let current: Current | undefined
  let isBusy = false

  const isStopped = (running: Current) =>
    running.isStopped || (seed.slots !== null && Atomics.load(seed.slots, running.slot) !== -running.id)

  const execute = (call: Call): Promise<void> | undefined => {
    const [id, slot, module, name, payload] = call
    if (seed.slots !== null && Atomics.compareExchange(seed.slots, slot, id, -id) !== id) return undefined
    const running: Current = { id, slot, controller: undefined, isStopped: false }
    current = running
    const buffers: Array<ArrayBuffer> = []
    const context = {
      config,
      threadId: seed.threadId,
      isStopped: () => isStopped(running),
      transfer: (...moved: ReadonlyArray<ArrayBuffer>) => void buffers.push(...moved),
      get signal() {
        running.controller ??= new AbortController()
        if (isStopped(running)) running.controller.abort()
        return running.controller.signal
      }
    }
    let begunAt = port.now()
    const answer = (value: unknown) => {
      current = undefined
      try {
        port.post([id, "value", value, port.now() - begunAt], buffers)
      } catch (error) {
        port.post([id, "stuck", stuckIn(value, "result") ?? { path: "result", value: String(error) }, 0])
      }
    }
    const broken = (error: unknown) => {
      current = undefined
      port.post([id, "thrown", thrown(error), port.now() - begunAt])
    }
    const run = (code: Code): Promise<void> | undefined => {
      begunAt = port.now()
      try {
        const value = code(payload, context)
        if (!isLater(value)) {
          answer(value)
          return undefined
        }
        return settled(value, () => context.signal).then(answer, broken)
      } catch (error) {
        broken(error)
        return undefined
      }
    }
    const code = known.get(`${module}#${name}`)
    if (code !== undefined) return run(code)
    return load(module, name).then(
      (found) => {
        if (typeof found === "string") {
          current = undefined
          port.post([id, "absent", found, 0])
          return undefined
        }
        known.set(`${module}#${name}`, found)
        return isStopped(running) ? broken("stopped before it began") : run(found)
      }
    )
  }

  const drain = async () => {
    isBusy = true
    for (let call = calls.shift(); call !== undefined; call = calls.shift()) {
      const later = execute(call)
      if (later !== undefined) await later
    }
    isBusy = false
  }

  return (order) => {
    if (typeof order === "number") {
      if (current?.id !== order) return
      current.isStopped = true
      port.post([order, "heard", null, 0])
      current.controller?.abort()
      return
    }
    calls.push(...order)
    if (!isBusy) void drain()
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
const load = async (module: string, name: string): Promise<Code | string> => {
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
