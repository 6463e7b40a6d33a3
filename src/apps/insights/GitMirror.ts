/**
 * Keeps a bare mirror of a repository of another machine, below the data directory of the service.
 *
 * A mirror holds what the figures need and no more: the history of the default branch, and the tags. It is made under
 * another name and moved into its place when it is whole, so a crash leaves no half mirror; a fetch that fails leaves what
 * was there, and the lock of a git that was killed holds up the next fetch for a quarter of an hour at most. Nothing of the mirror's own configuration is read from the other machine, and git is started as
 * `GitCommand` says: without hooks, credentials, prompts or any protocol but that of the URL.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import type { PlatformError } from "effect/PlatformError"
import type { ChildProcessSpawner } from "effect/process/ChildProcessSpawner"
import { createHash } from "node:crypto"
import * as GitCommand from "./GitCommand.ts"
import { type GitError, GitFailed, RemoteUnavailable } from "./GitError.ts"
import type { RemoteSource } from "./RepositorySource.ts"

/** The directory of the mirror of `url` below `directory`: readable, and different for every URL. */
export const placeOf = ({ host, name, owner, url }: RemoteSource, directory: string, paths: Path.Path): string => {
  const readable = `${host}-${owner}-${name}`.replace(/[^A-Za-z0-9]+/g, "-").replace(/^-+|-+$/g, "").slice(0, 80)
  return paths.join(directory, `${readable}-${createHash("sha256").update(url).digest("hex").slice(0, 16)}.git`)
}

/**
 * Brings the mirror of `source` up to date, making it when there is none, and gives its path.
 *
 * Fails with `RemoteUnavailable` when the other machine does not give it or it has no commit, `GitTimeout` after ten
 * minutes, or `GitFailed` when the mirror cannot be written.
 */
export const refresh = Effect.fn("GitMirror.refresh")(function*(
  source: RemoteSource,
  directory: string
): Effect.fn.Return<string, GitError, ChildProcessSpawner | FileSystem.FileSystem | Path.Path> {
  const files = yield* FileSystem.FileSystem
  const paths = yield* Path.Path
  const unwritten = (error: PlatformError) =>
    new GitFailed({ command: "init", path: directory, exitCode: null, stderr: error.message })
  yield* Effect.mapError(files.makeDirectory(directory, { recursive: true, mode: 0o700 }), unwritten)
  const root = yield* Effect.mapError(files.realPath(directory), unwritten)
  const mirror = placeOf(source, root, paths)
  const head = yield* defaultBranch(source, root)
  if (!(yield* Effect.mapError(files.exists(mirror), unwritten))) {
    const fresh = yield* Effect.mapError(files.makeTempDirectory({ directory: root, prefix: "new-" }), unwritten)
    yield* fetch(source, head, fresh, true).pipe(
      Effect.andThen(Effect.mapError(files.rename(fresh, mirror), unwritten)),
      Effect.onError(() => Effect.ignore(files.remove(fresh, { recursive: true })))
    )
    return mirror
  }
  yield* fetch(source, head, mirror, false).pipe(
    Effect.catchTag("RemoteUnavailable", (error) =>
      Effect.flatMap(
        unlocked(error.detail, mirror),
        (again) => again ? fetch(source, head, mirror, false) : Effect.fail(error)
      ))
  )
  return mirror
})

/** Removes the lock that git complained of, when whoever made it cannot be running any more. */
const unlocked = Effect.fnUntraced(function*(complaint: string, mirror: string) {
  const files = yield* FileSystem.FileSystem
  const paths = yield* Path.Path
  const lock = /Unable to create '([^']+\.lock)': File exists/.exec(complaint)?.[1]
  if (lock === undefined || !paths.resolve(mirror, lock).startsWith(mirror + paths.sep)) return false
  const now = yield* Clock.currentTimeMillis
  return yield* files.stat(lock).pipe(
    Effect.map(({ mtime }) => Option.exists(mtime, (at) => now - at.getTime() > lockMillis)),
    Effect.tap((old) => old ? files.remove(lock) : Effect.void),
    Effect.orElseSucceed(() => false)
  )
})

// longer than a fetch may take
const lockMillis = 15 * 60_000

const fetch = Effect.fnUntraced(function*(source: RemoteSource, head: Head, gitDir: string, fresh: boolean) {
  const at = { directory: gitDir, trusted: [gitDir], timeout: "30 seconds" } as const
  if (fresh) yield* done("init", at, ["init", "--quiet", "--bare", "--template=", "--", gitDir])
  const inside = { ...at, gitDir }
  const ending = yield* GitCommand.text(
    [
      "fetch",
      "--quiet",
      "--force",
      "--prune",
      "--no-tags",
      "--no-write-fetch-head",
      "--no-recurse-submodules",
      "--",
      source.url,
      `+${head.remote}:${head.local}`,
      "+refs/tags/*:refs/tags/*"
    ],
    { ...inside, timeout: "10 minutes", protocol: source.protocol }
  )
  if (ending.exitCode !== 0) return yield* new RemoteUnavailable({ url: source.url, detail: ending.stderr })
  yield* done("symbolic-ref", inside, ["symbolic-ref", "HEAD", head.local])
})

const done = Effect.fnUntraced(function*(
  command: string,
  at: GitCommand.Options,
  args: readonly [string, ...ReadonlyArray<string>]
) {
  const { exitCode, stderr } = yield* GitCommand.text(args, at)
  if (exitCode !== 0) return yield* new GitFailed({ command, path: at.directory, exitCode, stderr })
})

interface Head {
  readonly remote: string
  readonly local: string
}

const defaultBranch = Effect.fnUntraced(function*(source: RemoteSource, directory: string) {
  const { exitCode, stderr, stdout } = yield* GitCommand.text(
    ["ls-remote", "--symref", "--", source.url, "HEAD"],
    { directory, trusted: [], timeout: "2 minutes", protocol: source.protocol }
  )
  if (exitCode !== 0) return yield* new RemoteUnavailable({ url: source.url, detail: stderr })
  const branch = /^ref: (refs\/heads\/[^\s\0]+)\tHEAD$/m.exec(stdout)?.[1]
  // git takes any page for an empty repository
  if (!/^[0-9a-f]{40,64}\tHEAD$/m.test(stdout)) {
    const detail = "it offers no commit, so it is empty or there is no git repository"
    return yield* new RemoteUnavailable({ url: source.url, detail })
  }
  const head: Head = branch === undefined
    ? { remote: "HEAD", local: "refs/heads/(detached)" }
    : { remote: branch, local: branch }
  return head
})
