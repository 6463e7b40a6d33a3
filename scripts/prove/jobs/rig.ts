/**
 * A Postgres of its own, workers and producers on it, and the story of what they did: for everything that does them harm.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { type Server, startServer } from "../../postgres.ts"
import { type FaultProxy, openProxy } from "../faultProxy.ts"
import { readAll } from "../ledger.ts"
import { type Onlooker, onlooker } from "../onlooker.ts"
import { type End, type Processes, startProcesses } from "../processes.ts"
import { type Dealt, diedOfPoison, foundNoDatabase } from "./causes.ts"
import { check, type Verdict } from "./check.ts"
import { Line } from "./model.ts"
import { countLive, readEffects, readRows, setUp } from "./tables.ts"

/** What a rig is made of. */
export interface Setting {
  readonly seed: number
  readonly workers: ReadonlyArray<string>
  readonly producers: ReadonlyArray<string>
  /** Those of them that reach the server through a proxy. */
  readonly proxied: ReadonlyArray<string>
  /** Jobs of all producers, and the milliseconds in which they are enqueued. */
  readonly jobs: number
  readonly ms: number
  /** Some jobs end every process that runs them. */
  readonly hasPoison: boolean
  /** Port in place of the server's, e.g. that of a pooler in front of it. */
  readonly front?:
    | ((server: Server) => Promise<{ readonly port: number; readonly close: () => Promise<void> }>)
    | undefined
}

/** The running system. */
export interface Rig {
  readonly server: Server
  readonly processes: Processes
  readonly proxies: ReadonlyMap<string, FaultProxy>
  readonly onlooker: Onlooker
  /** Waits for the first job. */
  readonly begun: () => Promise<void>
}

/** What came of it. */
export interface Outcome<A> {
  readonly given: A
  readonly verdict: Verdict
  /** Exit codes and signals of processes that ended by themselves, for no reason that was dealt. */
  readonly selfEnded: ReadonlyArray<End>
  /** How the workers ended when they were told to stop. */
  readonly stopped: ReadonlyArray<End>
  /** From the end of the harm until all jobs had ended. */
  readonly drainSeconds: number
  readonly seconds: number
}

// the longest that rescues, retries and the last long jobs may take when the harm is over, on a machine that is fast enough
const tailMs = 75_000

// on a slower one it may take longer, as long as jobs end
const mostMs = 240_000

const drained = async (eye: Onlooker) => {
  const from = performance.now()
  let [left, since] = [Number.POSITIVE_INFINITY, from]
  while (performance.now() < Math.min(since + tailMs, from + mostMs)) {
    const live = await countLive(eye)
    if (live === 0) return
    if (live !== undefined && live < left) [left, since] = [live, performance.now()]
    await sleep(500)
  }
}

/** Starts all, does harm, waits until every job has ended, and judges. The folder of the processes is kept unless `isGood`. */
export const withRig = async <A>(
  setting: Setting,
  harm: (rig: Rig) => Promise<{ readonly given: A; readonly dealt: Dealt }>,
  isGood: (outcome: Outcome<A>) => boolean,
  say: (line: string) => void
): Promise<Outcome<A>> => {
  const from = performance.now()
  const folder = mkdtempSync(join(tmpdir(), "ostinato-prove-"))
  const server = await startServer({ max_connections: "150" })
  const eye = onlooker(server.url("postgres"))
  const proxies = new Map<string, FaultProxy>()
  let front: { readonly port: number; readonly close: () => Promise<void> } | undefined
  let processes: Processes | undefined
  let kept = true
  const story = async () => {
    await setUp(eye)
    front = await setting.front?.(server)
    for (const place of setting.proxied) proxies.set(place, await openProxy(server.port))
    const portOf = (place: string) => proxies.get(place)?.port ?? front?.port ?? server.port
    processes = startProcesses(folder, places(setting, (place) => withPort(server.url("postgres"), portOf(place))))
    const begun = async () => {
      while ((await countLive(eye) ?? 0) === 0) await sleep(100)
    }
    const { dealt, given } = await harm({ server, processes, proxies, onlooker: eye, begun })
    const over = performance.now()
    await Promise.race([Promise.all(setting.producers.map(processes.done)), sleep(tailMs, undefined, { ref: false })])
    await drained(eye)
    const drainSeconds = (performance.now() - over) / 1000
    const stopped = await processes.stop()
    const lives = processes.lives()
    writeFileSync(join(folder, "story.json"), JSON.stringify({ dealt, lives }, null, 2))
    const outcome: Outcome<A> = {
      given,
      verdict: check({
        lines: readAll(Line, folder),
        rows: await readRows(eye),
        effects: await readEffects(eye),
        lives,
        dealt
      }),
      selfEnded: lives.flatMap((life) =>
        life.end?.by === "itself" && life.end.how !== 0 && !diedOfPoison(life) && !foundNoDatabase(life, dealt)
          ? [life.end.how]
          : []
      ),
      stopped,
      drainSeconds,
      seconds: (performance.now() - from) / 1000
    }
    kept = !isGood(outcome)
    return outcome
  }
  const told = toldToStop()
  try {
    return await Promise.race([story(), told.stop])
  } finally {
    told.ignore()
    processes?.dispose()
    await eye.dispose()
    await front?.close()
    for (const proxy of proxies.values()) await proxy.close()
    await server.stop()
    if (kept) say(`what the processes wrote is kept in ${folder}`)
    else rmSync(folder, { recursive: true, force: true })
  }
}

/** Whoever ends the run by hand leaves nothing behind that still runs. */
const toldToStop = () => {
  const { promise: stop, reject } = Promise.withResolvers<never>()
  const hear = (signal: NodeJS.Signals) => reject(new Error(`told to stop by ${signal}`))
  process.once("SIGINT", hear).once("SIGTERM", hear)
  return { stop, ignore: () => void process.off("SIGINT", hear).off("SIGTERM", hear) }
}

const withPort = (url: string, port: number) => {
  const it = new URL(url)
  it.port = String(port)
  return it.href
}

const places = ({ hasPoison, jobs, ms, producers, seed, workers }: Setting, urlOf: (place: string) => string) => [
  ...workers.map((name) => ({
    name,
    program: join(import.meta.dirname, "worker.ts"),
    env: { DATABASE_URL: urlOf(name) }
  })),
  ...producers.map((name, n) => ({
    name,
    program: join(import.meta.dirname, "producer.ts"),
    isFinite: true,
    env: {
      DATABASE_URL: urlOf(name),
      PROVE_SEED: String(seed * 1000 + n),
      PROVE_JOBS: String(jobs / producers.length),
      PROVE_MS: String(ms),
      PROVE_POISON: String(hasPoison)
    }
  }))
]
