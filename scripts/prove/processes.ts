/**
 * The processes of a suite, by their places. Whoever ends without being told to is started again, like by any process
 * manager; only processes that were started here are ever signalled, by their own handle.
 *
 * Each start of a place is a life with a name of its own, e.g. `worker-1.3`, and is remembered with what was done to it.
 */
import { type ChildProcess, spawn } from "node:child_process"
import { openSync } from "node:fs"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"

/** Exit code, or the signal that ended it. */
export type End = number | NodeJS.Signals

/** A time in milliseconds since 1970, by the clock of this machine. */
export interface Window {
  readonly from: number
  readonly until: number
}

/** One start of a place until its end. */
export interface Life {
  readonly name: string
  readonly place: string
  readonly pid: number | undefined
  /** When it ended, how, and because of whom; undefined while it lives. */
  readonly end: { readonly at: number; readonly how: End; readonly by: "kill" | "itself" | "order" } | undefined
  readonly stops: ReadonlyArray<Window>
}

/** What runs at a place. */
export interface Place {
  readonly name: string
  /** File that Node runs. */
  readonly program: string
  readonly env: Readonly<Record<string, string>>
  /** Ends by itself with 0 when it has done all; is not started again then. */
  readonly isFinite?: boolean
}

/** The processes of one run of a suite. */
export interface Processes {
  readonly lives: () => ReadonlyArray<Life>
  /** The life that is at a place now, or was the last one. */
  readonly at: (place: string) => Life
  /** Kills one without warning and starts it again after `downMs`. Answers whether there was one to kill. */
  readonly kill: (place: string, downMs: number) => Promise<boolean>
  /** Stops one for a while, as a machine that sleeps would. */
  readonly pause: (place: string, forMs: number) => Promise<void>
  /** Waits until a finite place has ended by itself. */
  readonly done: (place: string) => Promise<void>
  /** Tells all to stop, and ends those that have not within 15 s; gives how each ended. */
  readonly stop: () => Promise<ReadonlyArray<End>>
  /** Ends all that still live, at once. */
  readonly dispose: () => void
}

// one that is still loading does not listen to signals yet, and 130 is what an interrupted main gives
const graceful: ReadonlySet<End> = new Set([0, 130, "SIGTERM"])

/** Whether a process that was told to stop ended as it should. */
export const isGraceful = (end: End): boolean => graceful.has(end)

/** How those lives ended that nobody had told to. */
export const selfEnded = (lives: ReadonlyArray<Life>): ReadonlyArray<End> =>
  lives.flatMap(({ end }) => end?.by === "itself" && end.how !== 0 ? [end.how] : [])

/** The names and process ids of the lives that were killed. */
export const killed = (lives: ReadonlyArray<Life>) => {
  const dead = lives.filter(({ end }) => end?.by === "kill")
  return {
    names: new Set(dead.map(({ name }) => name)),
    pids: new Set(dead.flatMap(({ pid }) => pid === undefined ? [] : [pid]))
  }
}

type Mutable<A> = { -readonly [K in keyof A]: A[K] }

interface Slot {
  readonly place: Place
  readonly lives: Array<Mutable<Life> & { stops: Array<Window> }>
  child: ChildProcess
  isKilled: boolean
  finished: Promise<void>
  finish: () => void
}

/** Starts one process at every place; their logs and ledgers go into `folder`. */
export const startProcesses = (folder: string, places: ReadonlyArray<Place>): Processes => {
  let isStopping = false

  const start = (slot: Slot) => {
    const { env, name: place, program } = slot.place
    const name = `${place}.${slot.lives.length + 1}`
    const log = openSync(join(folder, `${name}.log`), "a")
    const child = spawn(process.execPath, ["--conditions=ostinato:source", program], {
      stdio: ["ignore", log, log],
      env: {
        ...process.env,
        // what one process has compiled, the next ones need not
        NODE_COMPILE_CACHE: join(folder, "compiled"),
        ...env,
        PROVE_NODE: name,
        PROVE_LEDGER: join(folder, `${name}.jsonl`)
      }
    })
    const life: Slot["lives"][number] = { name, place, pid: child.pid, end: undefined, stops: [] }
    slot.child = child
    slot.isKilled = false
    slot.lives.push(life)
    child.once("exit", () => {
      const how = endOf(child)
      life.end = {
        at: Date.now(),
        how,
        by: how === "SIGKILL" && slot.isKilled ? "kill" : isStopping ? "order" : "itself"
      }
      if (slot.place.isFinite === true && how === 0) return slot.finish()
      if (slot.isKilled || isStopping) return
      setTimeout(() => {
        if (!isStopping) start(slot)
      }, 200)
    })
  }

  const slots = new Map(places.map((place) => {
    const { promise, resolve } = Promise.withResolvers<void>()
    const slot = { place, lives: [], isKilled: false, finished: promise, finish: resolve } as unknown as Slot
    start(slot)
    return [place.name, slot]
  }))
  const slotAt = (place: string): Slot => {
    const slot = slots.get(place)
    if (slot === undefined) throw new Error(`there is no place ${place}`)
    return slot
  }
  const all = Array.from(slots.values())
  const ended = ({ child }: Slot) =>
    new Promise<End>((resolve) => {
      if (!isAlive(child)) return resolve(endOf(child))
      child.once("exit", () => resolve(endOf(child)))
    })

  return {
    lives: () => all.flatMap(({ lives }) => lives),
    at: (place) => slotAt(place).lives.at(-1)!,
    kill: async (place, downMs) => {
      const slot = slotAt(place)
      if (!isAlive(slot.child)) return false
      slot.isKilled = true
      const gone = ended(slot)
      slot.child.kill("SIGKILL")
      await gone
      await sleep(downMs)
      if (!isStopping) start(slot)
      return true
    },
    pause: async (place, forMs) => {
      const { child, lives } = slotAt(place)
      const life = lives.at(-1)!
      const from = Date.now()
      child.kill("SIGSTOP")
      const open = { from, until: Number.POSITIVE_INFINITY }
      life.stops.push(open)
      await sleep(forMs)
      open.until = Date.now()
      child.kill("SIGCONT")
    },
    done: (place) => slotAt(place).finished,
    stop: async () => {
      isStopping = true
      const gone = all.map(ended)
      for (const { child } of all) child.kill("SIGTERM")
      const late = setTimeout(() => all.forEach(({ child }) => child.kill("SIGKILL")), 15_000)
      const ends = await Promise.all(gone)
      clearTimeout(late)
      return ends
    },
    dispose: () => {
      isStopping = true
      for (const { child } of all) child.kill("SIGKILL")
    }
  }
}

const isAlive = (child: ChildProcess) => child.exitCode === null && child.signalCode === null

const endOf = (child: ChildProcess): End => child.exitCode ?? child.signalCode ?? 0
