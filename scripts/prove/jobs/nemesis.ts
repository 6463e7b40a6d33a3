/**
 * Deals the faults of a plan to the processes, the server and the ways between them, and remembers when it did what.
 *
 * Faults overlap; only the server is restarted once at a time.
 */
import { setTimeout as sleep } from "node:timers/promises"
import type { FaultProxy } from "../faultProxy.ts"
import type { Window } from "../processes.ts"
import type { Dealt } from "./causes.ts"
import { counts, type Fault, type FaultKind } from "./plan.ts"
import type { Rig } from "./rig.ts"

/** What was done. */
export interface Deeds extends Dealt {
  /** How many of each kind hit something. */
  readonly hits: Readonly<Record<FaultKind, number>>
}

/** Deals all of them, each at its time, and ends when the last one is over. */
export const deal = async (
  faults: ReadonlyArray<Fault>,
  { onlooker, processes, proxies, server }: Rig,
  say: (line: string) => void
): Promise<Deeds> => {
  const hits = Object.fromEntries(Object.keys(counts).map((kind) => [kind, 0])) as Record<FaultKind, number>
  const restarts: Array<Window> = []
  const holes: Array<Window & { readonly place: string }> = []
  const cuts: Array<Dealt["cuts"][number]> = []
  const begin = Date.now()
  let restart: Promise<void> = Promise.resolve()

  const proxyOf = (place: string): FaultProxy => {
    const proxy = proxies.get(place)
    if (proxy === undefined) throw new Error(`${place} has no proxy`)
    return proxy
  }
  const proxyAt = (place: string, isWhole = false): FaultProxy => {
    cuts.push({ at: Date.now(), place, isWhole })
    return proxyOf(place)
  }
  const restarted = async (how: "fast" | "immediate", downMs: number) => {
    const from = Date.now()
    await server.restart(how, downMs)
    restarts.push({ from, until: Date.now() })
  }

  /** Answers whether there was something to hit. */
  const one = async (fault: Fault): Promise<boolean> => {
    switch (fault.kind) {
      case "kill":
        return processes.kill(fault.place, fault.downMs)
      case "stop":
        await processes.pause(fault.place, fault.forMs)
        return true
      case "restart":
        restart = restart.then(() => restarted(fault.how, fault.downMs))
        await restart
        return true
      case "terminate": {
        // of that place, or where it has none now, of another one
        const [like, preferred] = [`ostinato:${fault.role}:%`, `ostinato:${fault.role}:${fault.place}.%`]
        const gone = await onlooker.tell<{ name: string }>((sql) =>
          sql`
            WITH one AS MATERIALIZED (
              SELECT pid, application_name FROM pg_stat_activity WHERE application_name LIKE ${like}
              ORDER BY application_name LIKE ${preferred} DESC, pid LIMIT 1
            ) SELECT application_name AS name FROM one WHERE pg_terminate_backend(pid)`
        )
        cuts.push(...gone.map(({ name }) => ({ at: Date.now(), place: name.replace(/^.*:|\.\d+$/g, "") })))
        return gone.length > 0
      }
      case "hole": {
        const hole = { place: fault.place, from: Date.now(), until: Number.POSITIVE_INFINITY }
        holes.push(hole)
        proxyOf(fault.place).hole()
        await sleep(fault.forMs)
        proxyOf(fault.place).heal()
        hole.until = Date.now()
        return true
      }
      case "delay":
        proxyOf(fault.place).delay(fault.ms)
        await sleep(fault.forMs)
        proxyOf(fault.place).delay(0)
        return true
      case "rst":
        proxyAt(fault.place, true).rst()
        return true
      case "halfClose":
        proxyAt(fault.place).halfClose()
        return true
      case "cut":
        proxyAt(fault.place).cutAfter(fault.bytes)
        return true
    }
  }

  const pending: Array<Promise<void>> = []
  for (const fault of faults) {
    await sleep(Math.max(0, begin + fault.at - Date.now()))
    pending.push(
      one(fault).then((isHit) => {
        if (isHit) hits[fault.kind] += 1
        else say(`  ${(fault.at / 1000).toFixed(0)} s: nobody to ${fault.kind}`)
      })
    )
  }
  await Promise.all(pending)
  return { hits, restarts, holes, cuts }
}
