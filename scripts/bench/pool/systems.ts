/** The systems: our `TaskPool`, and the peers, whose tasks run the body by `Effect.runPromise`. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Logger from "effect/Logger"
import * as Result from "effect/Result"
import * as Scope from "effect/Scope"
import * as TaskPool from "../../../src/core/TaskPool.ts"
import { fastq, pLimit } from "../peers.ts"
import type { PoolSystem } from "./PoolSystem.ts"

const ours: PoolSystem = {
  name: "ostinato",
  about: "TaskPool, defaults but for the bound of its line; a handle each, with limits, figures and context",
  open: async (capacity) => {
    const scope = Effect.runSync(Scope.make())
    const pool = await Effect.runPromise(
      Effect.provide(
        Scope.provide(TaskPool.make({ name: "bench", capacity, maxWaiting: 0 }), scope),
        Logger.layer([])
      )
    )
    return {
      queue: (n, body) => {
        const handles: Array<TaskPool.Handle<void, never>> = []
        for (let at = 0; at < n; at++) handles.push(Result.getOrThrow(pool.trySubmit(body)))
        return {
          handles,
          done: () => Effect.runPromise(Effect.forEach(handles, (handle) => handle.await, { discard: true }))
        }
      },
      close: () => Effect.runPromise(Scope.close(scope, Exit.void))
    }
  }
}

const limit: PoolSystem = {
  name: "p-limit",
  about: "pLimit(concurrency), a promise each",
  open: async (concurrency) => {
    const run = (await pLimit())(concurrency)
    return {
      queue: (n, body) => {
        const handles: Array<Promise<void>> = []
        const task = () => Effect.runPromise(body)
        for (let at = 0; at < n; at++) handles.push(run(task))
        return { handles, done: () => Promise.all(handles).then(() => {}) }
      },
      close: async () => {}
    }
  }
}

const queue: PoolSystem = {
  name: "fastq.promise",
  about: "fastq.promise(worker, concurrency), a promise each",
  open: async (concurrency) => {
    const { promise } = await fastq()
    const queue = promise((body: Effect.Effect<void>) => Effect.runPromise(body), concurrency)
    return {
      queue: (n, body) => {
        const handles: Array<Promise<void>> = []
        for (let at = 0; at < n; at++) handles.push(queue.push(body))
        return { handles, done: () => Promise.all(handles).then(() => {}) }
      },
      close: async () => {}
    }
  }
}

/** The base, and the base under a second name: its distance from 1 is the noise. */
export const base = limit
export const systems: ReadonlyArray<PoolSystem> = [
  limit,
  { ...limit, name: "p-limit (A/A)", about: "the base under a second name: its distance from 1 is the noise" },
  queue,
  ours
]
