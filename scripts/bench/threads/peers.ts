/** piscina and tinypool, which share one interface. */
import { fileURLToPath } from "node:url"
import type { ThreadSystem } from "./ThreadSystem.ts"

interface Pool {
  readonly run: (
    payload: unknown,
    options: { readonly name: string; readonly signal?: AbortSignal }
  ) => Promise<unknown>
  readonly destroy: () => Promise<void>
}

interface PoolModule {
  readonly default: new(options: object) => Pool
}

const filename = fileURLToPath(new URL("./work.ts", import.meta.url))

const system = (name: string, title: string, about: string): ThreadSystem => ({
  name: title,
  about,
  open: async (threads, ahead) => {
    const specifier: string = name
    const { default: Pool } = (await import(specifier)) as PoolModule
    const pool = new Pool({
      filename,
      minThreads: threads,
      maxThreads: threads,
      concurrentTasksPerWorker: ahead,
      idleTimeout: 60_000
    })
    return {
      drive: async (work, inFlight, until) => {
        let done = 0
        const loop = async () => {
          while (performance.now() < until) {
            await pool.run({ n: done }, { name: work })
            done += 1
          }
        }
        await Promise.all(Array.from({ length: inFlight }, loop))
        return done
      },
      once: () => pool.run({ n: 1 }, { name: "nothing" }),
      spin: (begun) => {
        const controller = new AbortController()
        const running = pool.run({ begun }, { name: "forever", signal: controller.signal }).catch(() => undefined)
        return () => {
          controller.abort()
          return running
        }
      },
      close: () => pool.destroy()
    }
  }
})

const settings = "as many threads at least as at most, 1 call a thread for empty work and 16 for 1 ms"

export const piscina = system("piscina", "piscina", settings)
export const again = system(
  "piscina",
  "piscina (A/A)",
  "the base under a second name: its distance from 1 is the noise"
)
export const tinypool = system("tinypool", "tinypool", settings)
