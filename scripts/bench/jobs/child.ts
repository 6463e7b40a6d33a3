/**
 * The child process of one measurement: opens one driver, then inserts or works when it is told to.
 *
 * Messages carry instants of the monotonic clock, which processes of one machine share. The parent asks the server only when all
 * jobs were handled, because polling would tax whichever system is being measured: the child tells its count every 5 ms while it
 * shares the jobs with others, and once, at the last job, when it is alone.
 */
import { type Driver, type OpenDriver, payloads } from "./JobSystem.ts"
import { monotonic } from "./monotonic.ts"

/** What the parent sends. */
export type Command =
  | { readonly tag: "bulk"; readonly from: number; readonly to: number; readonly warm: number }
  | { readonly tag: "work"; readonly jobs: number; readonly alone: boolean }
  | { readonly tag: "report" }
  | { readonly tag: "close" }

/** What the child answers. */
export type Report =
  | { readonly tag: "ready" }
  | { readonly tag: "inserted"; readonly ms: number; readonly rows: number; readonly cpuSeconds: number }
  | { readonly tag: "first"; readonly at: number }
  | { readonly tag: "handled"; readonly handled: number }
  | {
    readonly tag: "report"
    readonly handled: number
    readonly sum: number
    readonly cpuSeconds: number
    readonly rssMb: number
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
const onJob = (n: number) => {
  if (handled === 0) send({ tag: "first", at: monotonic() })
  handled++
  sum += n
  if (handled === expected) tell()
}
const tell = () => {
  if (handled === sent) return
  sent = handled
  send({ tag: "handled", handled })
}

const bulk = async (driver: Driver, from: number, to: number, warm: number) => {
  await driver.bulk(payloads(from, from + warm))
  const rest = payloads(from + warm, to)
  const cpu = process.cpuUsage()
  const start = monotonic()
  await driver.bulk(rest)
  const ms = monotonic() - start
  const used = process.cpuUsage(cpu)
  send({ tag: "inserted", ms, rows: rest.length, cpuSeconds: (used.user + used.system) / 1e6 })
}

const main = async () => {
  const { open } = await import(new URL(module, import.meta.url).href) as { readonly open: OpenDriver }
  const driver = await open(name, url)
  let base = process.cpuUsage()
  process.on("message", (command: Command) => {
    switch (command.tag) {
      case "bulk":
        return void bulk(driver, command.from, command.to, command.warm).catch(fail)
      case "work":
        base = process.cpuUsage()
        expected = command.jobs
        setInterval(tell, command.alone ? 500 : 5).unref()
        return void driver.work(onJob).catch(fail)
      case "report": {
        const used = process.cpuUsage(base)
        return send({
          tag: "report",
          handled,
          sum,
          cpuSeconds: (used.user + used.system) / 1e6,
          rssMb: process.resourceUsage().maxRSS / 1024,
          figures: driver.figures?.() ?? {}
        })
      }
      case "close":
        return void driver.close().catch(fail).finally(() => process.disconnect())
    }
  })
  process.on("disconnect", () => process.exit(0))
  send({ tag: "ready" })
}

process.on("unhandledRejection", fail)
await main().catch(fail)
