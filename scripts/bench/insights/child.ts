/**
 * One collection in a process of its own: `child.ts MODE DIRECTORY`. Prints seconds, commits and peak memory as JSON.
 *
 * `idle` opens the repository only, so its memory is that of the runtime; `handed` gives the days away on the way, as a
 * sync does; `kept` holds all of them until the end.
 */
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Effect from "effect/Effect"
import * as Git from "../../../src/apps/insights/Git.ts"
import * as GitHistory from "../../../src/apps/insights/GitHistory.ts"

const [mode, directory = "."] = process.argv.slice(2)

const program = Effect.gen(function*() {
  const repository = yield* Git.open(directory)
  if (mode === "idle") return { seconds: 0, commits: 0 }
  const start = performance.now()
  let handed = 0
  const history = yield* GitHistory.collect(repository, {
    onDays: mode === "kept" ? undefined : (days) =>
      Effect.sync(() => {
        for (const { commits } of days) handed += commits
      })
  })
  const seconds = (performance.now() - start) / 1000
  const commits = mode === "kept" ? history.days.reduce((sum, day) => sum + day.commits, 0) : handed
  if (commits !== history.commits) throw new Error(`${commits} of ${history.commits} commits`)
  return { seconds, commits }
})

const found = await Effect.runPromise(Effect.provide(program, NodeServices.layer))
console.log(JSON.stringify({ ...found, peakMb: process.resourceUsage().maxRSS / 1024 }))
