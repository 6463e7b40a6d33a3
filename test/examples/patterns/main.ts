/**
 * `npm run example -- patterns [SEED]`: one job in five patterns, beside what `sha256sum` says.
 *
 * Exits 1 when a pattern gives another result, or when no span shows where it ran.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Clock from "effect/Clock"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as ChildProcess from "effect/process/ChildProcess"
import { ChildProcessSpawner } from "effect/process/ChildProcessSpawner"
import * as Schema from "effect/Schema"
import * as Tracer from "effect/Tracer"
import { createCipheriv, createHash } from "node:crypto"
import { table } from "../../../scripts/bench/table.ts"
import { composed } from "./composed.ts"
import * as Digest from "./digest.ts"
import { generator } from "./generator.ts"
import { parallel } from "./parallel.ts"
import type { Job, Pattern } from "./pattern.ts"
import { staged } from "./staged.ts"
import { threads } from "./threads.ts"

class NotEqual extends Schema.TaggedError<NotEqual>()("NotEqual", { patterns: Schema.Array(Schema.String) }) {
  override get message() {
    return `not what sha256sum says, or not where it should run: ${this.patterns.join(", ")}`
  }
}

const patterns: ReadonlyArray<Pattern> = [threads, staged, parallel, generator, composed]
const seed = process.argv[2] ?? "1"

const makeFiles = Effect.gen(function*() {
  const fs = yield* FileSystem.FileSystem
  const folder = yield* fs.makeTempDirectoryScoped({ prefix: "patterns-" })
  const files = Array.from({ length: 64 }, (_, i) => `file-${String(i).padStart(2, "0")}`)
  const random = createCipheriv("aes-256-ctr", createHash("sha256").update(seed).digest(), Buffer.alloc(16))
  for (const [i, file] of files.entries()) {
    yield* fs.writeFile(`${folder}/${file}`, random.update(Buffer.alloc(i * 8191)))
  }
  return { folder, files }
})

/** What programs that are not ours say. */
const oracle = ({ files, folder }: Job) =>
  Effect.map(
    Effect.flatMap(ChildProcessSpawner, (spawner) =>
      spawner.string(ChildProcess.make("sha256sum", files, { cwd: folder }))),
    Digest.ofText
  )

const measured = Effect.fnUntraced(function*(pattern: Pattern, job: Job, wanted: string) {
  const spans: Array<Tracer.Span> = []
  const tracer = Tracer.make({
    span: (options) => {
      const span = new Tracer.NativeSpan(options)
      spans.push(span)
      return span
    }
  })
  // the first time loads code
  yield* pattern.run(job)
  const from = yield* Clock.monotonicTimeNanos
  const result = yield* Effect.withTracer(pattern.run(job), tracer)
  const ms = Number((yield* Clock.monotonicTimeNanos) - from) / 1e6
  const shown = new Set(
    spans.filter(({ name }) => name.startsWith(pattern.shownBy)).map((span) => String(pattern.where(span)))
  )
  return { name: pattern.name, where: `${shown.size} ${pattern.places}`, shown, ms, result, ok: result === wanted }
})

const program = Effect.gen(function*() {
  const job = yield* makeFiles
  const wanted = yield* oracle(job)
  const rows = yield* Effect.forEach(patterns, (pattern) => measured(pattern, job, wanted))
  yield* Console.log(`seed ${seed}, ${job.files.length} files; sha256sum says ${wanted}\n`)
  yield* Console.log(table(
    ["pattern", "ran on", "time", "result"],
    rows.map(({ ms, ok, result, where, name }) => [name, where, `${ms.toFixed(0)} ms`, ok ? "equal" : result])
  ))
  const wrong = rows.filter(({ ok, shown }) => !ok || shown.size === 0)
  if (wrong.length > 0) return yield* new NotEqual({ patterns: wrong.map(({ name }) => name) })
})

NodeRuntime.runMain(Effect.scoped(program).pipe(Effect.provide(NodeServices.layer)))
