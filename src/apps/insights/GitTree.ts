/**
 * What the tree of a commit holds: files, bytes, and bytes by language.
 *
 * The figures of `git ls-tree -r -l -z`: files only, submodules and links left out. Nothing of the content is read, and
 * memory grows with the number of languages, not of files.
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Path from "effect/Path"
import type { ChildProcessSpawner } from "effect/process/ChildProcessSpawner"
import type { Repository } from "./Git.ts"
import * as GitCommand from "./GitCommand.ts"
import { type GitError, GitFailed } from "./GitError.ts"
import * as Languages from "./Languages.ts"

/** One language of a tree. */
export interface LanguageBytes {
  readonly language: string
  readonly files: number
  readonly bytes: number
}

/** The tree of a commit. */
export interface Tree {
  readonly files: number
  readonly bytes: number
  /** Most bytes first, then by name. Vendored and generated files, and what is no program, count for none. */
  readonly languages: ReadonlyArray<LanguageBytes>
}

/** Reads the tree of the commit that `Git.open` saw. Fails as `GitHistory.collect` does. */
export const read = Effect.fn("GitTree.read")(function*(
  repository: Repository,
  options?: { readonly timeout?: Duration.Input | undefined }
): Effect.fn.Return<Tree, GitError, ChildProcessSpawner | Path.Path> {
  const tally = makeTally()
  const ending = yield* GitCommand.run(
    ["ls-tree", "-r", "-l", "-z", "--full-tree", "--end-of-options", repository.head],
    {
      directory: repository.root,
      gitDir: repository.gitDir,
      trusted: [repository.root],
      timeout: options?.timeout ?? "2 minutes"
    },
    tally.push
  )
  if (ending.exitCode !== 0) {
    const { exitCode, stderr } = ending
    return yield* new GitFailed({ command: "ls-tree", path: repository.root, exitCode, stderr })
  }
  return tally.result()
})

const makeTally = () => {
  const found = new Map<string, { files: number; bytes: number }>()
  // paths may hold any byte but NUL; those that are not text name no language
  const decoder = new TextDecoder()
  let held = ""
  let files = 0
  let bytes = 0

  const entry = (line: string): void => {
    const match = /^(100\d{3}) blob [0-9a-f]+ +(\d+)\t([^]*)$/.exec(line)
    if (match === null) return
    const size = Number(match[2])
    files += 1
    bytes += size
    const language = Languages.ofPath(match[3] ?? "")
    if (language === undefined) return
    const known = found.get(language) ?? { files: 0, bytes: 0 }
    found.set(language, known)
    known.files += 1
    known.bytes += size
  }

  return {
    push: (chunk: Uint8Array): void => {
      const lines = (held + decoder.decode(chunk, { stream: true })).split("\0")
      held = lines.pop() ?? ""
      lines.forEach(entry)
    },
    result: (): Tree => ({
      files,
      bytes,
      languages: Array.from(found, ([language, counts]) => ({ language, ...counts }))
        .sort((a, b) => b.bytes - a.bytes || (a.language < b.language ? -1 : 1))
    })
  }
}
