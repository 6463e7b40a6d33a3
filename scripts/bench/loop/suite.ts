/**
 * The suite `loop`: how long the event loop of the service is held, and how soon it says that it lives, while a pipeline of
 * CPU stages and a sync of a long history run. Stages on threads are measured beside none at all, and beside stages on
 * the main thread, which is what threads are for.
 */
import { fork, spawn, spawnSync } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { stream } from "../../../test/apps/insights/GeneratedHistory.ts"
import { startServer } from "../../postgres.ts"

/** Where the stages run; `idle` is a service without work. */
export type Load = "idle" | "thread" | "none"

/** One measurement; times in milliseconds. */
export interface Figures {
  readonly load: Load
  readonly livez: { readonly p50: number; readonly p99: number; readonly max: number; readonly answers: number }
  readonly delay: { readonly p50: number; readonly p99: number; readonly max: number }
  /** Pipelines and syncs that ended meanwhile. */
  readonly pipelines: number
  readonly syncs: number
}

/** Measures every load once per repetition. */
export const runLoop = async (options: {
  readonly repetitions: number
  readonly seconds: number
  readonly commits: number
  readonly say: (line: string) => void
}): Promise<ReadonlyArray<Figures>> => {
  const folder = mkdtempSync(join(tmpdir(), "ostinato-loop-"))
  const server = await startServer({})
  try {
    const repository = join(folder, "repository")
    await generate(repository, options.commits)
    const all: Array<Figures> = []
    for (let repetition = 1; repetition <= options.repetitions; repetition++) {
      const loads: ReadonlyArray<Load> = ["idle", "thread", "none"]
      for (const load of repetition % 2 === 0 ? loads.toReversed() : loads) {
        options.say(`repetition ${repetition}: ${load}`)
        const directory = join(folder, `${load}-${repetition}`)
        all.push(await measure({ load, repository, directory, url: server.url("postgres"), seconds: options.seconds }))
      }
    }
    return all
  } finally {
    await server.stop()
    rmSync(folder, { recursive: true, force: true })
  }
}

const generate = async (folder: string, commits: number) => {
  spawnSync("git", ["init", "--quiet", "--initial-branch=main", folder])
  const git = spawn("git", ["fast-import", "--quiet"], { cwd: folder, stdio: ["pipe", "inherit", "inherit"] })
  const ended = once(git, "exit")
  for (const part of stream({ seed: 1, commits, authors: 40 })) {
    if (!git.stdin.write(part)) await once(git.stdin, "drain")
  }
  git.stdin.end()
  const [code] = await ended
  if (code !== 0) throw new Error(`git fast-import ended with ${code}`)
}

const measure = async ({ directory, load, repository, seconds, url }: {
  readonly load: Load
  readonly repository: string
  readonly directory: string
  readonly url: string
  readonly seconds: number
}): Promise<Figures> => {
  const host = fork(join(import.meta.dirname, "host.ts"), {
    execArgv: ["--conditions=ostinato:source"],
    stdio: ["ignore", "ignore", "inherit", "ipc"],
    env: {
      ...process.env,
      DATABASE_URL: url,
      OSTINATO_PORT: "0",
      OSTINATO_DATA_DIR: directory,
      LOOP_REPOSITORY: repository,
      LOOP_LOAD: load
    }
  })
  const ended = once(host, "exit")
  const said = async <A>() => {
    const first = await Promise.race([once(host, "message"), ended.then(() => undefined)])
    if (first === undefined) throw new Error("the host ended: see above")
    return first[0] as A
  }
  try {
    const api = `http://127.0.0.1:${(await said<{ readonly port: number }>()).port}`
    const syncs = async () => {
      const response = await fetch(`${api}/api/v1/runs?task=insights.sync&limit=200`)
      const { items } = await response.json() as { readonly items: ReadonlyArray<{ readonly status: string }> }
      return items.filter(({ status }) => status === "completed").length
    }
    // the first answers load code
    for (let i = 0; i < 20; i++) await ask(api)
    await sleep(1000)
    const before = await syncs()
    host.send("measure")
    const times: Array<number> = []
    const end = performance.now() + seconds * 1000
    while (performance.now() < end) {
      times.push(await ask(api))
      await sleep(10)
    }
    const report = said<Figures["delay"] & { readonly pipelines: number }>()
    host.send("report")
    const { pipelines, ...delay } = await report
    const sorted = times.toSorted((a, b) => a - b)
    const at = (part: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN
    return {
      load,
      livez: { p50: at(0.5), p99: at(0.99), max: at(1), answers: times.length },
      delay,
      pipelines,
      syncs: (await syncs()) - before
    }
  } finally {
    host.kill("SIGTERM")
    const late = setTimeout(() => host.kill("SIGKILL"), 10_000)
    await ended
    clearTimeout(late)
  }
}

const ask = async (api: string) => {
  const from = performance.now()
  const response = await fetch(`${api}/livez`)
  await response.text()
  if (response.status !== 200) throw new Error(`/livez answered ${response.status}`)
  return performance.now() - from
}
