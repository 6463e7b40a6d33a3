/**
 * The parent's side of a child process: fork, wait for a message, close, and kill when it does not go.
 *
 * Every fork gets this Node with the flags that run TypeScript sources; only these children are ever signalled.
 */
import { type ChildProcess, fork } from "node:child_process"
import { fileURLToPath } from "node:url"
import type { Command, Report } from "./child.ts"
import type { DriverAddress } from "./JobSystem.ts"

/** A running child. */
export interface Worker {
  readonly send: (command: Command) => void
  /** The next report with this tag; rejects when the child fails, ends or says nothing for `ms`. */
  readonly next: <T extends Report["tag"]>(tag: T, ms: number) => Promise<Extract<Report, { readonly tag: T }>>
  readonly onReport: (listener: (report: Report) => void) => void
  /** Asks the child to close; after 10 s it is killed. */
  readonly close: () => Promise<void>
}

const living = new Set<ChildProcess>()

/** Ends this child too when the run is interrupted. */
export const track = (child: ChildProcess): void => {
  living.add(child)
  child.once("exit", () => living.delete(child))
}

/** Kills every child that still runs: for interruption. */
export const killAll = (): void => {
  for (const child of living) child.kill("SIGKILL")
}

/** Forks a child and waits until its driver is open. */
export const startWorker = async (driver: DriverAddress, url: string): Promise<Worker> => {
  const child = fork(fileURLToPath(new URL("./child.ts", import.meta.url)), [`./${driver.module}`, driver.name, url], {
    execArgv: ["--conditions=ostinato:source", "--disable-warning=ExperimentalWarning", ...(driver.flags ?? [])],
    stdio: ["ignore", "ignore", "pipe", "ipc"]
  })
  track(child)
  let errors = ""
  child.stderr?.on("data", (chunk: Buffer) => {
    errors = (errors + chunk.toString()).slice(-4000)
  })
  const listeners = new Set<(report: Report) => void>()
  child.on("message", (report: Report) => {
    for (const listener of listeners) listener(report)
  })
  const exit = new Promise<void>((resolve) => {
    child.once("exit", () => {
      for (const listener of listeners) listener({ tag: "failed", reason: `the process ended\n${errors}` })
      resolve()
    })
  })
  const worker: Worker = {
    send: (command) => {
      if (child.connected) child.send(command)
    },
    next: (tag, ms) =>
      new Promise((resolve, reject) => {
        const settle = () => {
          clearTimeout(timer)
          listeners.delete(listener)
        }
        const timer = setTimeout(() => {
          settle()
          reject(new Error(`no "${tag}" within ${ms} ms`))
        }, ms)
        const listener = (report: Report) => {
          if (report.tag === "failed") {
            settle()
            reject(new Error(report.reason))
          } else if (report.tag === tag) {
            settle()
            // the tag was compared, which narrows the union to T; the compiler does not see it through the generic
            resolve(report as Extract<Report, { readonly tag: typeof tag }>)
          }
        }
        listeners.add(listener)
      }),
    onReport: (listener) => {
      listeners.add(listener)
    },
    close: async () => {
      worker.send({ tag: "close" })
      const timer = setTimeout(() => child.kill("SIGKILL"), 10_000)
      await exit
      clearTimeout(timer)
    }
  }
  try {
    await worker.next("ready", 30_000)
  } catch (error) {
    child.kill("SIGKILL")
    throw error
  }
  return worker
}
