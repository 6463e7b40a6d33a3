/**
 * The child process of one measurement: opens one driver, then inserts or works when it is told to.
 *
 * Messages carry instants of the monotonic clock, which processes of one machine share. The parent asks the server only when all
 * jobs were handled, because polling would tax whichever system is being measured: the child tells its count every 5 ms while it
 * shares the jobs with others, and once, at the last job, when it is alone.
 */
import type { OpenDriver, Payload } from "./JobSystem.ts"
import { monotonic } from "./measure/monotonic.ts"
import { type Added, bulk, call, pace, unique } from "./producing.ts"

/** What the parent sends. */
export type Command =
  | { readonly tag: "bulk"; readonly jobs: number; readonly warm: number; readonly size: number }
  | { readonly tag: "unique"; readonly jobs: number }
  | { readonly tag: "call"; readonly callers: number; readonly warmMs: number; readonly ms: number }
  | { readonly tag: "pace"; readonly rate: number; readonly from: number; readonly to: number }
  | { readonly tag: "claims"; readonly rounds: number; readonly batch: number }
  | { readonly tag: "prepare" }
  | {
    readonly tag: "work"
    readonly jobs: number
    readonly alone: boolean
    /** Jobs with this number and above are timed from their enqueue; absent: none. */
    readonly timedFrom?: number | undefined
  }
  | { readonly tag: "report" }
  | { readonly tag: "close" }

/** What the child answers. */
export type Report =
  | { readonly tag: "ready" }
  | { readonly tag: "prepared" }
  | ({ readonly tag: "added" } & Added)
  | { readonly tag: "unique"; readonly plain: Added; readonly unique: Added }
  | { readonly tag: "claims"; readonly ms: ReadonlyArray<number> }
  | { readonly tag: "first"; readonly at: number }
  | { readonly tag: "handled"; readonly handled: number }
  | {
    readonly tag: "report"
    readonly handled: number
    readonly sum: number
    readonly cpuSeconds: number
    readonly rssMb: number
    /** Milliseconds from enqueue to start of the timed jobs, ascending. */
    readonly latencies: ReadonlyArray<number>
    /** Milliseconds between the first and the last start of a timed job. */
    readonly timedMs: number
    readonly figures: Readonly<Record<string, number>>
  }
  | { readonly tag: "failed"; readonly reason: string }

const [module = "", name = "", url = ""] = process.argv.slice(2)

const send = (report: Report) => {
  if (process.connected) process.send?.(report)
}

const fail = (error: unknown) => {
  send({ tag: "failed", reason: error instanceof Error ? error.stack ?? error.message : String(error) })
}

let handled = 0
let sent = 0
let sum = 0
let expected = 0
let timedFrom = Number.POSITIVE_INFINITY
let firstTimed = 0
let lastTimed = 0
const latencies: Array<number> = []

const tell = () => {
  if (handled === sent) return
  sent = handled
  send({ tag: "handled", handled })
}

const onJob = ({ n, t }: Payload) => {
  if (handled === 0) send({ tag: "first", at: monotonic() })
  handled++
  sum += n
  if (n >= timedFrom) {
    lastTimed = monotonic()
    if (latencies.length === 0) firstTimed = lastTimed
    latencies.push(lastTimed - t)
  }
  if (handled === expected) tell()
}

const main = async () => {
  const { open } = await import(new URL(module, import.meta.url).href) as { readonly open: OpenDriver }
  const driver = await open(name, url)
  let base = process.cpuUsage()
  const answer = (command: Command): Promise<Report | undefined> | Report | undefined => {
    switch (command.tag) {
      case "bulk":
        return bulk(driver, command.jobs, command.warm, command.size).then((added) => ({ tag: "added", ...added }))
      case "unique":
        return unique(driver, command.jobs).then((both) => ({ tag: "unique", ...both }))
      case "call":
        return call(driver, command.callers, command.warmMs, command.ms).then((added) => ({ tag: "added", ...added }))
      case "pace":
        return pace(driver, command.rate, command.from, command.to).then(() => undefined)
      case "claims":
        if (driver.claims === undefined) throw new Error("the driver times no claims")
        return driver.claims(command.rounds, command.batch).then((ms) => ({ tag: "claims", ms }))
      case "prepare":
        return Promise.resolve(driver.prepare?.()).then(() => ({ tag: "prepared" }))
      case "work":
        base = process.cpuUsage()
        expected = command.jobs
        timedFrom = command.timedFrom ?? Number.POSITIVE_INFINITY
        setInterval(tell, command.alone ? 500 : 5).unref()
        return driver.work(onJob).then(() => undefined)
      case "report": {
        const used = process.cpuUsage(base)
        return {
          tag: "report",
          handled,
          sum,
          cpuSeconds: (used.user + used.system) / 1e6,
          rssMb: process.resourceUsage().maxRSS / 1024,
          latencies: latencies.toSorted((a, b) => a - b),
          timedMs: lastTimed - firstTimed,
          figures: driver.figures?.() ?? {}
        }
      }
      case "close":
        return driver.close().catch(fail).then(() => {
          process.disconnect()
          return undefined
        })
    }
  }
  process.on("message", (command: Command) => {
    void (async () => {
      const report = await answer(command)
      if (report !== undefined) send(report)
    })().catch(fail)
  })
  process.on("disconnect", () => process.exit(0))
  send({ tag: "ready" })
}

process.on("unhandledRejection", fail)
await main().catch(fail)
