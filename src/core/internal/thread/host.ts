/**
 * A place where calls run: a thread, a child process, or this very thread.
 *
 * A host ends once and says why. What it posted before its end is heard before that.
 */
import { type ChildProcess, fork } from "node:child_process"
import { type ResourceLimits, Worker } from "node:worker_threads"
import { type Order, type Reply, type Seed, window } from "./protocol.ts"
import { serve } from "./serve.ts"

export interface Host {
  /** Of the thread, or the process id of a child process. */
  readonly id: number
  readonly slots: Int32Array | null
  /** How many calls it may hold. */
  readonly window: number
  /** Throws where something in it cannot travel; then nothing was sent. */
  readonly post: (order: Order, transfer: ReadonlyArray<ArrayBuffer>) => void
  readonly kill: () => void
}

export interface End {
  readonly isOutOfMemory: boolean
  readonly detail: string
}

export interface Settings {
  readonly isolation: "thread" | "process" | "none"
  readonly config: unknown
  readonly limits: ResourceLimits
  readonly name: string
  /** Milliseconds, for what runs on this thread. */
  readonly now: () => number
}

interface Listener {
  readonly onReplies: (replies: ReadonlyArray<Reply>) => void
  readonly onEnd: (end: End) => void
}

// a path that the build need not rewrite
const isSource = import.meta.url.endsWith(".ts")
const entry = new URL(`./task.worker${isSource ? ".ts" : ".js"}`, import.meta.url)

// from source, what the code imports by the name of the package is source too
const condition = "--conditions=ostinato:source"
const isNeeded = isSource && !process.execArgv.includes(condition)

// neither a debugger's port nor a program given on the command line is for a second process
const inherited = () => {
  const program = process.execArgv.findIndex((flag) => /^(-e|-p|-pe|--eval|--print)$/.test(flag))
  const flags = program < 0 ? process.execArgv : process.execArgv.toSpliced(program, 2)
  return flags.filter((flag) => !flag.startsWith("--inspect"))
}

export const start = (settings: Settings, listener: Listener): Host =>
  settings.isolation === "thread"
    ? startThread(settings, listener)
    : settings.isolation === "process"
    ? startProcess(settings, listener)
    : startHere(settings, listener)

const cells = () => new Int32Array(new SharedArrayBuffer(window * Int32Array.BYTES_PER_ELEMENT))

const startThread = ({ config, limits, name }: Settings, { onEnd, onReplies }: Listener): Host => {
  const slots = cells()
  const worker = new Worker(entry, {
    name,
    ...(isNeeded ? { execArgv: [condition] } : {}),
    resourceLimits: limits,
    workerData: { slots, config }
  })
  let end: End | undefined
  worker.on("message", onReplies)
  worker.on("error", (error) => {
    end = {
      isOutOfMemory: "code" in error && error.code === "ERR_WORKER_OUT_OF_MEMORY",
      detail: error.stack ?? String(error)
    }
  })
  worker.once("exit", (code) => onEnd(end ?? { isOutOfMemory: false, detail: `it exited with code ${code}` }))
  return {
    id: worker.threadId,
    slots,
    window,
    post: (order, transfer) => worker.postMessage(order, transfer),
    kill: () => void worker.terminate()
  }
}

// what a program needs to run at all: code that is not trusted has no business with passwords and tokens
const isHarmless = (name: string) =>
  /^(PATH|HOME|TMPDIR|TMP|TEMP|TZ|LANG|LANGUAGE|LC_\w+|LD_LIBRARY_PATH|NODE_OPTIONS|NODE_EXTRA_CA_CERTS|SystemRoot)$/
    .test(name)

// of what a process says before its end
const tailChars = 4000

const startProcess = ({ config, limits }: Settings, { onEnd, onReplies }: Listener): Host => {
  const { maxOldGenerationSizeMb, maxYoungGenerationSizeMb, stackSizeMb } = limits
  const child: ChildProcess = fork(entry, {
    serialization: "advanced",
    stdio: ["ignore", "inherit", "pipe", "ipc"],
    env: Object.fromEntries(Object.entries(process.env).filter(([name]) => isHarmless(name))),
    execArgv: [
      ...inherited(),
      ...(isNeeded ? [condition] : []),
      ...(maxOldGenerationSizeMb === undefined ? [] : [`--max-old-space-size=${maxOldGenerationSizeMb}`]),
      ...(maxYoungGenerationSizeMb === undefined ? [] : [`--max-semi-space-size=${maxYoungGenerationSizeMb}`]),
      ...(stackSizeMb === undefined ? [] : [`--stack-size=${Math.floor(stackSizeMb * 1000)}`])
    ]
  })
  let said = ""
  let isOver = false
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    said = (said + text).slice(-tailChars)
    process.stderr.write(text)
  })
  const over = (detail: string) => {
    if (isOver) return
    isOver = true
    onEnd({
      isOutOfMemory: said.includes("JavaScript heap out of memory"),
      detail: said === "" ? detail : `${detail}: ${said}`
    })
  }
  child.on("message", onReplies)
  child.once("error", (error) => over(String(error)))
  child.once(
    "close",
    (code, signal) =>
      over(signal === null ? `the process exited with code ${code}` : `the process was ended by ${signal}`)
  )
  const seed: Seed = { slots: null, config, threadId: 0 }
  child.send(seed, ignoreClosed)
  return {
    id: child.pid ?? 0,
    slots: null,
    window: 1,
    post: (order) => void child.send(order, ignoreClosed),
    kill: () => void child.kill("SIGKILL")
  }
}

// the end of the process is told apart
const ignoreClosed = () => {}

const startHere = ({ config, now }: Settings, { onEnd, onReplies }: Listener): Host => {
  const slots = cells()
  let isOver = false
  const { take } = serve(
    {
      now,
      post: (replies, transfer) => {
        const copy: ReadonlyArray<Reply> = structuredClone(replies, { transfer: [...transfer ?? []] })
        if (!isOver) onReplies(copy)
      }
    },
    { slots, config: structuredClone(config), threadId: 0 }
  )
  queueMicrotask(() => onReplies([[0, "ready", null, 0]]))
  return {
    id: 0,
    slots,
    window: 1,
    post: (order, transfer) => {
      const copy: Order = structuredClone(order, { transfer: [...transfer] })
      queueMicrotask(() => take(copy))
    },
    kill: () => {
      isOver = true
      queueMicrotask(() => onEnd({ isOutOfMemory: false, detail: "it was left behind" }))
    }
  }
}
