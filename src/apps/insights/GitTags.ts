/**
 * The tags of a repository as releases: every tag that leads to a commit, with its date.
 *
 * Tags of files or trees, and tags of objects that are not there, are no releases and no errors. At most 20,000 tags are
 * read, in the order of their names.
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Path from "effect/Path"
import type { ChildProcessSpawner } from "effect/process/ChildProcessSpawner"
import type { Repository } from "./Git.ts"
import * as GitCommand from "./GitCommand.ts"
import { type GitError, GitFailed } from "./GitError.ts"

/** One tag. */
export interface Release {
  /** Without `refs/tags/`. */
  readonly name: string
  /** The full hash of the commit that it leads to. */
  readonly commit: string
  /** Seconds since 1970: when it was tagged, or for a tag without a date of its own when it was committed. */
  readonly at: number
}

/** Reads the tags, sorted by name. Fails with `GitTimeout`, `GitNotFound` or `GitFailed`. */
export const read = Effect.fn("GitTags.read")(function*(
  repository: Repository,
  options?: { readonly timeout?: Duration.Input | undefined }
): Effect.fn.Return<ReadonlyArray<Release>, GitError, ChildProcessSpawner | Path.Path> {
  const at = {
    directory: repository.root,
    gitDir: repository.gitDir,
    trusted: [repository.root],
    timeout: options?.timeout ?? "1 minute"
  }
  // first the names alone, which needs no object; then what each leads to, which tells what is not there
  const refs = yield* lines(["for-each-ref", "--count=20000", "--format=%(refname)", "refs/tags"], at)
  if (refs.length === 0) return []
  const targets = yield* lines(
    ["cat-file", "--batch-check=%(objecttype) %(objectname)"],
    { ...at, input: refs.map((ref) => `${ref}^{}\n`).join("") }
  )
  const commits = new Map<string, string>()
  targets.forEach((target, index) => {
    const ref = refs[index]
    if (ref !== undefined && target.startsWith("commit ")) commits.set(ref, target.slice("commit ".length))
  })
  const found: Array<Release> = []
  const whole = [...commits.keys()]
  for (let start = 0; start < whole.length; start += perCommand) {
    const dated = yield* lines(
      ["for-each-ref", "--format=%(creatordate:raw) %(refname)", "--", ...whole.slice(start, start + perCommand)],
      at
    )
    for (const line of dated) {
      const match = /^(?:(\d+) \S+)? ?(refs\/tags\/.+)$/.exec(line)
      const commit = commits.get(match?.[2] ?? "")
      if (match?.[2] === undefined || commit === undefined) continue
      // a tag without a date that can be read is as old as can be
      found.push({ name: match[2].slice("refs/tags/".length), commit, at: Number(match[1] ?? 0) })
    }
  }
  return found
})

// names are at most a few hundred bytes, so this many fit into one command line
const perCommand = 200

const lines = Effect.fnUntraced(function*(
  args: readonly [string, ...ReadonlyArray<string>],
  options: GitCommand.Options
) {
  const decoder = new TextDecoder()
  let text = ""
  const { exitCode, stderr } = yield* GitCommand.run(args, options, (bytes) => {
    text += decoder.decode(bytes, { stream: true })
  })
  if (exitCode !== 0) return yield* new GitFailed({ command: args[0], path: options.directory, exitCode, stderr })
  return text.split("\n").filter((line) => line !== "")
})
