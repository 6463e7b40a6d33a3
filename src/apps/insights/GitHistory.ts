/**
 * Counts commits, contributors and lines per day of one repository, in one pass over its history.
 *
 * The figures are those of git itself, to the unit: commits are `git rev-list --count`, authors `git shortlog -sne`,
 * lines the sums of `git log --no-merges --numstat`, days `git log --date=format:%Y-%m-%d --format=%ad`. Merges count
 * as commits and add no lines. A date before 1970 or more than a year ahead, which only a wrong clock or a joke can
 * have made, counts for the nearest day that is not, so that days still sum to commits. The pass starts at the commit that `Git.open` saw, so a fetch or a commit meanwhile
 * changes nothing. Memory grows with the number of (day, author) pairs, not with the size of the history.
 */
import * as DateTime from "effect/DateTime"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Path from "effect/Path"
import type { ChildProcessSpawner } from "effect/process/ChildProcessSpawner"
import type { Repository } from "./Git.ts"
import * as GitCommand from "./GitCommand.ts"
import { GitFailed } from "./GitError.ts"
import type { GitError } from "./GitError.ts"
import * as GitLog from "./GitLog.ts"

/** One contributor: a pair of name and e-mail after the mailmap. */
export interface Author {
  /** Bytes that are not UTF-8 appear as U+FFFD, so two authors may look alike and still be two. */
  readonly name: string
  /** In clear, as the history has it: hash it before it is stored. */
  readonly email: string
  readonly commits: number
}

/** What one author did on one day. */
export interface AuthorDay {
  /**
   * `YYYY-MM-DD`: the author date in the zone of the commit itself, at the earliest 1970-01-01, which also stands for a
   * date that git cannot read, and at the latest a year after the day of the collection.
   */
  readonly day: string
  /** Index into `authors` of the history. */
  readonly author: number
  readonly commits: number
  readonly additions: number
  readonly deletions: number
}

/** The figures of everything that can be reached from `head`, each commit once. */
export interface History {
  readonly head: string
  readonly commits: number
  readonly additions: number
  readonly deletions: number
  /** Most commits first, then in the byte order of `name <email>`: the order of `git shortlog -sne`. */
  readonly authors: ReadonlyArray<Author>
  /** Ascending by day, then by author. Days without commits have no entry. */
  readonly days: ReadonlyArray<AuthorDay>
}

/** Options of `collect`. */
export interface CollectOptions {
  /** The limit for the whole pass. Defaults to `10 minutes`. */
  readonly timeout?: Duration.Input | undefined
}

/**
 * Collects the history of `repository` up to its `head`.
 *
 * Fails with `GitTimeout`, `GitNotFound`, or `GitFailed` when git cannot read the history, for example because objects
 * are missing; partial figures are never returned. On interruption git is killed.
 */
export const collect = Effect.fn("GitHistory.collect")(function*(
  repository: Repository,
  options?: CollectOptions
): Effect.fn.Return<History, GitError, ChildProcessSpawner | Path.Path> {
  const tally = makeTally(DateTime.add(yield* DateTime.now, { years: 1 }))
  const reader = GitLog.reader(tally)
  const ending = yield* GitCommand.run(
    ["log", ...logOptions, "--end-of-options", repository.head, "--"],
    {
      directory: repository.root,
      gitDir: repository.gitDir,
      trusted: [repository.root],
      timeout: options?.timeout ?? "10 minutes"
    },
    reader.push
  )
  const well = reader.end()
  if (ending.exitCode !== 0 || !well) {
    const stderr = ending.exitCode === 0 ? "the output of git log has an unknown form" : ending.stderr
    return yield* new GitFailed({ command: "log", path: repository.root, exitCode: ending.exitCode, stderr })
  }
  return tally.result(repository.head)
})

const logOptions = [
  "-z",
  "--numstat",
  "--diff-merges=off",
  "--no-ext-diff",
  "--no-textconv",
  "--no-show-signature",
  "--no-notes",
  "--no-color",
  "--date=raw",
  `--format=${GitLog.format}`
]

interface Counts {
  commits: number
  additions: number
  deletions: number
}

interface Contributor {
  readonly identity: string
  readonly name: string
  readonly email: string
  readonly days: Map<string, Counts>
  commits: number
}

const dayMillis = 86_400_000

// as git reckons it: seconds since 1970 and an offset in hours and minutes; git itself cannot format all of them
const dayNumber = (raw: string): number => {
  const match = /^(\d+) ([+-]\d*?)(\d{1,2})$/.exec(raw)
  if (match === null) return 0
  const [, seconds, hours = "", minutes] = match
  const offset = Math.abs(Number(`${hours}0`)) * 6 + Number(minutes)
  return Math.floor((Number(seconds) + (hours.startsWith("-") ? -offset : offset) * 60) / 86_400)
}

// days repeat, so each is made once
const makeDays = (latest: number) => {
  const known = new Map<number, string>()
  return (raw: string): string => {
    const number = Math.min(latest, Math.max(0, dayNumber(raw)))
    const found = known.get(number)
    if (found !== undefined) return found
    const day = DateTime.formatIsoDateUtc(DateTime.makeUnsafe(number * dayMillis))
    known.set(number, day)
    return day
  }
}

const makeTally = (latest: DateTime.Utc) => {
  const dayOf = makeDays(Math.floor(DateTime.toEpochMillis(latest) / dayMillis))
  const contributors = new Map<string, Contributor>()
  const total = { commits: 0, additions: 0, deletions: 0 }
  let current: Counts = total

  const contributorOf = (name: string, email: string): Contributor => {
    const identity = `${name} <${email}>`
    const known = contributors.get(identity)
    if (known !== undefined) return known
    const added = { identity, name: decode(name), email: decode(email), days: new Map<string, Counts>(), commits: 0 }
    contributors.set(identity, added)
    return added
  }

  const visitor: GitLog.Visitor = {
    commit: (date, name, email) => {
      const day = dayOf(date)
      const contributor = contributorOf(name, email)
      current = contributor.days.get(day) ?? { commits: 0, additions: 0, deletions: 0 }
      contributor.days.set(day, current)
      current.commits += 1
      contributor.commits += 1
      total.commits += 1
    },
    lines: (additions, deletions) => {
      current.additions += additions
      current.deletions += deletions
      total.additions += additions
      total.deletions += deletions
    }
  }

  const result = (head: string): History => {
    const ordered = [...contributors.values()].sort((a, b) => b.commits - a.commits || compare(a.identity, b.identity))
    const days = ordered.flatMap(({ days }, author) =>
      Array.from(days, ([day, counts]): AuthorDay => ({ day, author, ...counts }))
    )
    days.sort((a, b) => compare(a.day, b.day) || a.author - b.author)
    return { head, ...total, authors: ordered.map(({ commits, email, name }) => ({ name, email, commits })), days }
  }

  return { ...visitor, result }
}

const compare = (a: string, b: string): number => a < b ? -1 : a > b ? 1 : 0

const decode = (bytes: string): string =>
  new TextDecoder("utf-8", { ignoreBOM: true }).decode(Uint8Array.from(bytes, (byte) => byte.charCodeAt(0)))
