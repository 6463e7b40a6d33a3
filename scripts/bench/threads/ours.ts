/** Our pool, with everything on: Schemas both ways, a span and a limit for each call. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as ThreadPool from "../../../src/core/ThreadPool.ts"
import * as ThreadTask from "../../../src/core/ThreadTask.ts"
import type { ThreadSystem } from "./ThreadSystem.ts"

const module = new URL("./work.ts", import.meta.url)
const payload = { n: Schema.Int }
const work = {
  nothing: ThreadTask.make("bench.nothing", { module, export: "nothing", payload, success: Schema.Int }),
  millisecond: ThreadTask.make("bench.millisecond", { module, export: "millisecond", payload, success: Schema.Int })
}
const Forever = ThreadTask.make("bench.forever", {
  module,
  export: "forever",
  payload: { begun: Schema.instanceOf(SharedArrayBuffer) }
})

const open = (isolation: "thread" | "process"): ThreadSystem["open"] => async (threads) => {
  const scope = Scope.makeUnsafe()
  const pool = await Effect.runPromise(
    Scope.provide(ThreadPool.make({ capacity: threads, timeout: "30 seconds", prewarm: true, isolation }), scope)
  )
  return {
    drive: async (name, inFlight, until) => {
      let done = 0
      const loop = Effect.whileLoop({
        while: () => performance.now() < until,
        body: () => pool.run(work[name], { n: done }),
        step: () => {
          done += 1
        }
      })
      await Effect.runPromise(
        Effect.forEach(Array.from({ length: inFlight }), () => loop, { concurrency: "unbounded", discard: true })
      )
      return done
    },
    once: () => Effect.runPromise(pool.run(work.nothing, { n: 1 })),
    spin: (begun) => {
      const fiber = Effect.runFork(pool.run(Forever, { begun }))
      return () => Effect.runPromise(Fiber.interrupt(fiber))
    },
    close: () => Effect.runPromise(Scope.close(scope, Exit.void))
  }
}

export const threads: ThreadSystem = {
  name: "ostinato",
  about: "`ThreadPool`: Schemas both ways, a span and a limit of 30 s for each call",
  open: open("thread")
}

export const processes: ThreadSystem = {
  name: "ostinato, processes",
  about: "`isolation: \"process\"`: the price of memory of their own, and of SIGKILL",
  open: open("process")
}
