/**
 * Finds one local git repository and says what it is, without executing or writing anything in it.
 *
 * `open` accepts the path of a work tree, of any directory below it, of a linked work tree or submodule, of a `.git`
 * directory and of a bare repository. The repository may be hostile and may belong to another user.
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import type * as PlatformError from "effect/PlatformError"
import type { ChildProcessSpawner } from "effect/process/ChildProcessSpawner"
import * as GitCommand from "./GitCommand.ts"
import { EmptyRepository, GitFailed, NotARepository, ShallowClone } from "./GitError.ts"
import type { GitError } from "./GitError.ts"

/** A repository as it was when it was opened. */
export interface Repository {
  /** The real path of the top level of the work tree, or of the bare repository. */
  readonly root: string
  /** The absolute path of the git directory: for a linked work tree its own, not the shared one. */
  readonly gitDir: string
  /** The last part of `root`, without `.git`. */
  readonly name: string
  /** The full hash of the commit that `HEAD` names. */
  readonly head: string
  /** The branch that `HEAD` names, without `refs/heads/`; `null` when `HEAD` is detached. */
  readonly branch: string | null
}

/** Options of `open`. */
export interface OpenOptions {
  /** The limit for each of the few short commands. Defaults to `30 seconds`. */
  readonly timeout?: Duration.Input | undefined
}

/**
 * Opens the repository that `path` is in. A relative path starts at the working directory of the process.
 *
 * Fails with `NotARepository`, `ShallowClone` (a part of the history is missing), `EmptyRepository` (no commit on the
 * current branch), `GitNotFound`, `GitTimeout`, or `GitFailed` for everything else that git reports.
 */
export const open = Effect.fn("Git.open")(function*(
  path: string,
  options?: OpenOptions
): Effect.fn.Return<Repository, GitError, ChildProcessSpawner | FileSystem.FileSystem | Path.Path> {
  const paths = yield* Path.Path
  const timeout = options?.timeout ?? "30 seconds"
  const found = yield* locate(yield* realDirectory(path), timeout)
  const at = { directory: found.root, gitDir: found.gitDir, trusted: [found.root], timeout }
  const branch = yield* GitCommand.text(["symbolic-ref", "--quiet", "HEAD"], at)
  const parsed = yield* GitCommand.text(["rev-parse", "--verify", "--quiet", "HEAD"], at)
  if (parsed.exitCode === 1 && branch.exitCode === 0) return yield* new EmptyRepository({ path: found.root })
  // the branch may name a commit that is not there
  const commit = yield* GitCommand.text(["rev-parse", "--verify", "HEAD^{commit}"], at)
  if (commit.exitCode !== 0) return yield* failed("rev-parse", found.root, commit)
  const head = commit.stdout.trim()
  if (found.shallow) return yield* new ShallowClone({ path: found.root })
  if (!/^(?:[0-9a-f]{40}|[0-9a-f]{64})$/.test(head)) return yield* unexpected("rev-parse", found.root)
  return {
    root: found.root,
    gitDir: found.gitDir,
    name: paths.basename(found.root).replace(/(?<=.)\.git$/, ""),
    head,
    branch: branch.exitCode === 0 ? branch.stdout.replace(/\n$/, "").replace(/^refs\/heads\//, "") : null
  }
})

interface Found {
  readonly root: string
  readonly gitDir: string
  readonly shallow: boolean
}

const realDirectory = Effect.fnUntraced(function*(path: string) {
  const files = yield* FileSystem.FileSystem
  const refused = (error: PlatformError.PlatformError) =>
    new NotARepository({
      path,
      reason: error.reason._tag === "PermissionDenied"
        ? "unreadable"
        : error.reason._tag === "BadResource"
        ? "file"
        : "missing"
    })
  const directory = yield* Effect.mapError(files.realPath(path), refused)
  const info = yield* Effect.mapError(files.stat(directory), refused)
  if (info.type !== "Directory") return yield* new NotARepository({ path, reason: "file" })
  return directory
})

const locate = Effect.fnUntraced(function*(
  directory: string,
  timeout: Duration.Input
): Effect.fn.Return<Found, GitError, ChildProcessSpawner | FileSystem.FileSystem | Path.Path> {
  const paths = yield* Path.Path
  // git decides about trust before it can say which of these is the top level
  const at = { directory, trusted: withAncestors(directory, paths), timeout }
  const facts = yield* GitCommand.text(
    ["rev-parse", "--is-bare-repository", "--is-inside-work-tree", "--is-shallow-repository", "--absolute-git-dir"],
    at
  )
  if (facts.exitCode !== 0) {
    return yield* facts.stderr.includes("not a git repository")
      ? new NotARepository({ path: directory, reason: "plain" })
      : failed("rev-parse", directory, facts)
  }
  // the path comes last and alone may contain line breaks
  const match = /^(true|false)\n(true|false)\n(true|false)\n(\/[^]*|[A-Za-z]:[^]*)\n$/.exec(facts.stdout)
  const gitDir = match?.[4]
  if (match === null || gitDir === undefined) return yield* unexpected("rev-parse", directory)
  const shallow = match[3] === "true"
  if (match[2] === "true") {
    const top = yield* GitCommand.text(["rev-parse", "--show-toplevel"], at)
    if (top.exitCode !== 0) return yield* failed("rev-parse", directory, top)
    return { root: yield* realDirectory(top.stdout.replace(/\n$/, "")), gitDir, shallow }
  }
  // inside the `.git` directory of a work tree: the work tree holds the mailmap, so start from there
  if (match[1] === "false" && paths.basename(gitDir) === ".git") return yield* locate(paths.dirname(gitDir), timeout)
  return { root: yield* realDirectory(gitDir), gitDir, shallow }
})

const withAncestors = (directory: string, paths: Path.Path): ReadonlyArray<string> => {
  const parent = paths.dirname(directory)
  return parent === directory ? [directory] : [directory, ...withAncestors(parent, paths)]
}

const failed = (command: string, path: string, { exitCode, stderr }: GitCommand.Ending) =>
  new GitFailed({ command, path, exitCode, stderr })

const unexpected = (command: string, path: string) =>
  new GitFailed({ command, path, exitCode: 0, stderr: "the answer has an unknown form; is this git 2.31 or newer?" })
