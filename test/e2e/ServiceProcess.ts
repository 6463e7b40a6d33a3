/**
 * The program as an operator meets it: a real child process, told what to do by environment and signals only.
 *
 * Nothing outlives its scope: processes are asked to stop, then killed, by their ids; an embedded server that is left
 * is ended; directories are removed. Waiting is for a line, an end or a condition, never for an amount of time.
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import { execFileSync, spawn } from "node:child_process"
import * as fs from "node:fs"
import * as http from "node:http"
import * as net from "node:net"
import * as os from "node:os"
import * as path from "node:path"
import { inject } from "vitest"
import { TaskRun } from "../../src/core/TaskRun.ts"
import * as Cluster from "../fixtures/once/Cluster.ts"

/** The repository of the project itself. */
export const root = path.join(import.meta.dirname, "../..")

export const main = [process.execPath, "--conditions=ostinato:source", path.join(root, "src/cli/main.ts")]
const searchPath = `${path.join(root, "node_modules/.bin")}:${process.env["PATH"] ?? "/usr/bin:/bin"}`
const home = process.env["HOME"] ?? os.tmpdir()

/** A process did not do what was waited for; the message shows what it said. */
export class Unexpected extends Data.TaggedError("Unexpected")<{ readonly message: string }> {}

/** How a process ended. */
export interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

/** A started process. */
export interface Program {
  readonly pid: number
  /** The lines that it wrote to stderr until now. */
  readonly stderr: () => ReadonlyArray<string>
  readonly stdout: () => string
  /** The first line of stderr that holds `text`, when it comes; fails when the process ends without it. */
  readonly line: (text: string) => Effect.Effect<string, Unexpected>
  readonly ended: Effect.Effect<Ended>
  readonly signal: (signal: NodeJS.Signals) => Effect.Effect<void>
  /** To the process and its children, as a terminal does. */
  readonly signalGroup: (signal: NodeJS.Signals) => Effect.Effect<void>
}

/** What a process is told, besides what every test gives it. */
export interface Options {
  /** Variables; `PATH` is put before the usual one. */
  readonly env?: Readonly<Record<string, string>>
  readonly cwd?: string
}

/** Starts a command line in a process group of its own. */
export const start = (command: ReadonlyArray<string>, options: Options = {}) =>
  Effect.acquireRelease(Effect.sync(() => launch(command, options)), (program) =>
    Effect.gen(function*() {
      const gone = (signal: NodeJS.Signals, send: Program["signal"]) =>
        Effect.andThen(send(signal), Effect.timeoutOption(Effect.interruptible(program.ended), "6 seconds"))
      if (!program.over()) yield* gone("SIGTERM", program.signal)
      if (!program.over()) yield* gone("SIGKILL", program.signalGroup)
    }))

const launch = (command: ReadonlyArray<string>, options: Options) => {
  const [file = "", ...args] = command
  const { PATH, ...env } = options.env ?? {}
  const child = spawn(file, args, {
    cwd: options.cwd ?? root,
    detached: true,
    env: {
      HOME: home,
      TMPDIR: os.tmpdir(),
      PATH: PATH === undefined ? searchPath : `${PATH}:${searchPath}`,
      // what one process has compiled, the next ones need not
      NODE_COMPILE_CACHE: path.join(inject("once"), "compiled"),
      ...env
    },
    stdio: ["ignore", "pipe", "pipe"]
  })
  const pid = child.pid ?? 0
  const lines: Array<string> = []
  const watchers = new Set<() => void>()
  let [stdout, rest] = ["", ""]
  let end: Ended | undefined
  const changed = () => watchers.forEach((watcher) => watcher())
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text
  })
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    const parts = (rest + text).split("\n")
    rest = parts.pop() ?? ""
    lines.push(...parts)
    changed()
  })
  child.on("close", (code, signal) => {
    if (rest !== "") lines.push(rest)
    end = { code, signal }
    changed()
  })
  const when = <A>(look: () => A | undefined) =>
    Effect.callback<A>((resume) => {
      const watcher = () => {
        const found = look()
        if (found === undefined) return
        watchers.delete(watcher)
        resume(Effect.succeed(found))
      }
      watchers.add(watcher)
      watcher()
      return Effect.sync(() => watchers.delete(watcher))
    })
  const send = (target: number) => (signal: NodeJS.Signals) =>
    Effect.ignore(Effect.try({ try: () => process.kill(target, signal), catch: String }))
  return {
    pid,
    over: () => end !== undefined,
    stderr: () => lines,
    stdout: () => stdout,
    line: (text: string) =>
      Effect.flatMap(
        when(() => lines.find((line) => line.includes(text)) ?? (end === undefined ? undefined : end)),
        (found) =>
          typeof found === "string"
            ? Effect.succeed(found)
            : new Unexpected({
              message: `ended (${found.code ?? found.signal}) without "${text}":\n${lines.join("\n")}`
            })
      ),
    ended: when(() => end),
    signal: send(pid),
    signalGroup: send(-pid)
  }
}

/** Where a service keeps its files and what it looks at. */
export interface Place {
  readonly data: string
  readonly repository: string
}

/** The variables that put a service there, on any free port. */
export const at = (place: Place) => ({
  OSTINATO_DATA_DIR: place.data,
  OSTINATO_REPOSITORY: place.repository,
  OSTINATO_PORT: "0"
})

/** A running service that is ready. */
export interface Service extends Program {
  readonly url: string
}

const ready = Effect.fnUntraced(function*(program: Program) {
  const line = yield* program.line("ready in ")
  const url = /http:\/\/[^ "]+/.exec(line)?.[0]
  if (url === undefined) return yield* new Unexpected({ message: `no address in: ${line}` })
  const service: Service = { ...program, url }
  return service
})

/** `serve`, ready. */
export const serve = (place: Place, options: Options = {}) =>
  Effect.flatMap(start([...main, "serve"], { ...options, env: { ...at(place), ...options.env } }), ready)

/** `npm start`, ready. */
export const npmStart = (place: Place, options: Options = {}) =>
  Effect.flatMap(start(["npm", "start"], { ...options, env: { ...at(place), ...options.env } }), ready)

/** A command until its end. */
export const command = (args: ReadonlyArray<string>, options: Options = {}) =>
  Effect.scoped(Effect.gen(function*() {
    const program = yield* start([...main, ...args], options)
    const { code } = yield* program.ended
    const stderr = program.stderr()
    return {
      pid: program.pid,
      code,
      stdout: program.stdout(),
      stderr,
      /** What is said to a person, as opposed to the log. */
      told: stderr.filter((line) => !line.startsWith("{"))
    }
  }))

/** A data directory that does not exist yet, in a place that the server's account may enter. */
export const dataDirectory = Effect.acquireRelease(
  Effect.sync(() => {
    const folder = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), "ostinato-e2e-")))
    fs.chmodSync(folder, 0o711)
    return path.join(folder, "data")
  }),
  (data) =>
    Effect.gen(function*() {
      const pid = postmaster(data)
      if (pid !== undefined && isAlive(pid)) yield* Effect.sync(() => process.kill(pid, "SIGQUIT"))
      yield* Effect.timeoutOption(until(Effect.sync(() => postgres(data)), (left) => left.length === 0), "10 seconds")
      const runtime = readFile(path.join(data, "postgres.runtime")).trim()
      if (runtime !== "") fs.rmSync(runtime, { recursive: true, force: true })
      fs.rmSync(path.dirname(data), { recursive: true, force: true })
    })
)

/** The same with a database in it, so that a start does not have to make one. */
export const usedDirectory = Effect.tap(dataDirectory, Cluster.put)

const readFile = (file: string) => {
  try {
    return fs.readFileSync(file, "utf8")
  } catch {
    return ""
  }
}

/** The process id of the embedded server of a data directory. */
export const postmaster = (data: string): number | undefined => {
  const pid = Number(readFile(path.join(data, "postgres/data/postmaster.pid")).split("\n")[0])
  return pid > 0 ? pid : undefined
}

/** Every process of the embedded server of a data directory; elsewhere than on Linux only the first one. */
export const postgres = (data: string): ReadonlyArray<number> => {
  const first = postmaster(data)
  if (process.platform !== "linux") return first !== undefined && isAlive(first) ? [first] : []
  return fs.readdirSync("/proc").filter((name) => /^\d+$/.test(name)).filter((pid) => {
    try {
      return fs.readlinkSync(`/proc/${pid}/cwd`).startsWith(`${data}/`)
    } catch {
      return false
    }
  }).map(Number)
}

/** Whether a process runs; one that has ended and was not yet collected does not. */
export const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
  } catch {
    return false
  }
  return !/^\d+ \(.*\) Z/s.test(readFile(`/proc/${pid}/stat`))
}

/** Looks again until it is so; the test's own limit ends it. */
export const until = <A, E, R>(look: Effect.Effect<A, E, R>, isSo: (value: A) => boolean) =>
  Effect.repeat(look, { until: isSo, schedule: Schedule.spaced("50 millis") })

/** An answer over HTTP. */
export interface Answer {
  readonly status: number
  readonly headers: http.IncomingHttpHeaders
  readonly body: string
}

/** One GET on a connection of its own. */
export const get = (url: string, headers: Readonly<Record<string, string>> = {}) =>
  Effect.callback<Answer, Unexpected>((resume) => {
    const request = http.get(url, { agent: false, headers }, (response) => {
      let body = ""
      response.setEncoding("utf8").on("data", (text: string) => {
        body += text
      })
      response.on("end", () => {
        resume(Effect.succeed({ status: response.statusCode ?? 0, headers: response.headers, body }))
      })
    })
    request.on("error", (error) => resume(new Unexpected({ message: `GET ${url}: ${error.message}` })))
    return Effect.sync(() => request.destroy())
  })

/** What the service says to bytes that need not be HTTP, until it closes the connection. */
export const raw = (url: string, bytes: string) =>
  Effect.callback<string, Unexpected>((resume) => {
    let said = ""
    const socket = net.connect(Number(new URL(url).port), "127.0.0.1", () => socket.write(bytes))
    socket.setEncoding("utf8").on("data", (text: string) => {
      said += text
    })
    socket.on("close", () => resume(Effect.succeed(said)))
    socket.on("error", (error) => resume(new Unexpected({ message: `${url}: ${error.message}` })))
    return Effect.sync(() => socket.destroy())
  })

/** The JSON of an answer, by its Schema. */
export const getJson = Effect.fnUntraced(function*<A, I>(url: string, schema: Schema.Codec<A, I>) {
  const { body, status } = yield* get(url)
  if (status !== 200) return yield* new Unexpected({ message: `GET ${url}: ${status} ${body}` })
  return yield* Schema.decodeEffect(Schema.fromJsonString(Schema.toCodecJson(schema)))(body)
})

/** The runs of a service, newest first, once so many of them have completed. */
export const collected = (service: Service, times = 1) =>
  Effect.map(
    until(
      getJson(`${service.url}/api/v1/runs?limit=200`, Runs),
      ({ items }) => items.filter(({ status }) => status === "completed").length >= times
    ),
    ({ items }) => items
  )

const Runs = Schema.Struct({ items: Schema.Array(TaskRun) })

/** A `git` that stops before it reads a history, until the gate is opened, once for all. */
export interface Gate {
  /** To be put first into `PATH`. */
  readonly folder: string
  /** Lets go of the gate, open or not. */
  readonly close: () => Promise<void>
  /** Waits until git stands there. */
  readonly reached: Effect.Effect<{
    /** The process of git. */
    readonly pid: number
    readonly open: Effect.Effect<void>
  }>
}

/** A gate; git that stands there ignores SIGTERM if it is `stubborn`. */
export const gate = (options: { readonly stubborn?: boolean } = {}) =>
  Effect.acquireRelease(
    Effect.sync((): Gate => {
      const folder = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), "ostinato-gate-")))
      const git = execFileSync("sh", ["-c", "command -v git"], { encoding: "utf8" }).trim()
      execFileSync("mkfifo", [path.join(folder, "fifo")])
      const script = `#!/bin/sh
${options.stubborn === true ? "trap '' TERM\n" : ""}for word; do
  if [ "$word" = log ] && [ ! -e '${folder}/open' ]; then
    echo $$ > '${folder}/pid'
    read -r line < '${folder}/fifo'
  fi
done
exec '${git}' "$@"
`
      fs.writeFileSync(path.join(folder, "git"), script, { mode: 0o755 })
      let writing: fs.promises.FileHandle | undefined
      return {
        folder,
        close: () => writing?.close() ?? Promise.resolve(),
        // a FIFO opens for writing when somebody opens it for reading
        reached: Effect.map(Effect.promise(() => fs.promises.open(path.join(folder, "fifo"), "w")), (handle) => {
          writing = handle
          return {
            pid: Number(readFile(path.join(folder, "pid"))),
            open: Effect.promise(() => {
              fs.writeFileSync(path.join(folder, "open"), "")
              return handle.close()
            })
          }
        })
      }
    }),
    ({ close, folder }) =>
      Effect.promise(async () => {
        await close()
        // lets go of whoever still waits at the writing end
        fs.closeSync(fs.openSync(path.join(folder, "fifo"), fs.constants.O_RDONLY | fs.constants.O_NONBLOCK))
        const pid = Number(readFile(path.join(folder, "pid")))
        if (pid > 0 && isAlive(pid) && readFile(`/proc/${pid}/cmdline`).includes(folder)) process.kill(pid, "SIGKILL")
        fs.rmSync(folder, { recursive: true, force: true })
      })
  )
