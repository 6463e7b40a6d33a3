/**
 * The processes of the suite. Whoever ends without being told to is started again, like by any process manager, and counted;
 * only processes that were started here are ever signalled, by their own handle.
 */
import { type ChildProcess, spawn } from "node:child_process"
import { openSync } from "node:fs"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"

/** Exit code, or the signal that ended it. */
export type End = number | NodeJS.Signals

/** The nodes of one seed. */
export interface Nodes {
  /** Kills one without warning and starts it again after `downMs`. */
  readonly kill: (node: number, downMs: number) => Promise<void>
  /** Stops one for a while, as a machine that sleeps would. */
  readonly pause: (node: number, forMs: number) => Promise<void>
  /** The processes that were killed. */
  readonly killed: { readonly names: ReadonlySet<string>; readonly pids: ReadonlySet<number> }
  /** How those ended that nobody had told to. */
  readonly selfEnded: ReadonlyArray<End>
  /** Tells all to stop, and ends those that have not within 15 s; gives how each ended. */
  readonly stop: () => Promise<ReadonlyArray<End>>
  /** Ends all that still live, at once. */
  readonly dispose: () => void
}

interface Slot {
  child: ChildProcess
  name: string
  /** Starts of this slot so far. */
  life: number
  /** Its next end is ours. */
  expected: boolean
}

/** Starts `count` nodes that write their files into `folder`. */
export const startNodes = (count: number, folder: string, url: string): Nodes => {
  const killed = { names: new Set<string>(), pids: new Set<number>() }
  const selfEnded: Array<End> = []
  let isStopping = false

  const start = (slot: Slot, node: number) => {
    slot.life += 1
    slot.name = `node-${node}.${slot.life}`
    slot.expected = false
    const log = openSync(join(folder, `${slot.name}.log`), "a")
    slot.child = spawn(
      process.execPath,
      ["--conditions=ostinato:source", join(import.meta.dirname, "node.ts")],
      {
        stdio: ["ignore", log, log],
        env: {
          ...process.env,
          DATABASE_URL: url,
          PROVE_NODE: slot.name,
          PROVE_LEDGER: join(folder, `${slot.name}.jsonl`)
        }
      }
    )
    slot.child.once("exit", () => {
      if (slot.expected || isStopping) return
      selfEnded.push(endOf(slot))
      setTimeout(() => {
        if (!isStopping) start(slot, node)
      }, 200)
    })
  }

  const slots = Array.from({ length: count }, (_, node) => {
    const slot = { name: "", life: 0, expected: false } as Slot
    start(slot, node)
    return slot
  })
  const at = (node: number): Slot => {
    const slot = slots[node]
    if (slot === undefined) throw new Error(`there is no node ${node}`)
    return slot
  }
  const lives = ({ child }: Slot) => child.exitCode === null && child.signalCode === null
  const ended = (slot: Slot) =>
    new Promise<End>((resolve) => {
      if (!lives(slot)) return resolve(endOf(slot))
      slot.child.once("exit", () => resolve(endOf(slot)))
    })

  return {
    killed,
    selfEnded,
    kill: async (node, downMs) => {
      const slot = at(node)
      if (!lives(slot)) return
      slot.expected = true
      killed.names.add(slot.name)
      if (slot.child.pid !== undefined) killed.pids.add(slot.child.pid)
      const gone = ended(slot)
      slot.child.kill("SIGKILL")
      await gone
      await sleep(downMs)
      start(slot, node)
    },
    pause: async (node, forMs) => {
      const { child } = at(node)
      child.kill("SIGSTOP")
      await sleep(forMs)
      child.kill("SIGCONT")
    },
    stop: async () => {
      isStopping = true
      const gone = slots.map(ended)
      for (const { child } of slots) child.kill("SIGTERM")
      const late = setTimeout(() => slots.forEach(({ child }) => child.kill("SIGKILL")), 15_000)
      const ends = await Promise.all(gone)
      clearTimeout(late)
      return ends
    },
    dispose: () => {
      isStopping = true
      for (const { child } of slots) child.kill("SIGKILL")
    }
  }
}

const endOf = ({ child }: Slot): End => child.exitCode ?? child.signalCode ?? 0
