/**
 * Counts commits, contributors and lines per day, and commits per hour of the week, in one pass over a history.
 *
 * The figures are those of git itself, to the unit: commits are `git rev-list --count`, authors `git shortlog -sne`,
 * lines the sums of `git log --no-merges --numstat`, days `git log --date=format:%Y-%m-%d --format=%ad`. Merges count
 * as commits and add no lines. A date before 1970 or more than a year ahead, which only a wrong clock or a joke can
 * have made, counts for the nearest day that is not, so that days still sum to commits. The pass starts at the commit
 * that `Git.open` saw, so a fetch or a commit meanwhile changes nothing. Memory grows with the number of authors, and
 * with that of (day, author) pairs unless these are handed over on the way: then it does not grow with the history.
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

/** What one author did on one day, apart from a history: a part of it when they come more than once. */
export interface NamedDay extends Omit<AuthorDay, "author"> {
  readonly name: string
  /** In clear, as in `Author`. */
  readonly email: string
}

/** Commits of one hour of the week, in the zones of the commits themselves. */
export interface WeekHour {
  /** 1 is Monday, 7 Sunday. */
  readonly weekday: number
  /** 0 to 23. */
  readonly hour: number
  readonly commits: number
}

/** The figures of everything that can be reached from `head`, each commit once. */
export interface History {
  readonly head: string
  readonly commits: number
  readonly additions: number
  readonly deletions: number
  /** Most commits first, then in the byte order of `name <email>`: the order of `git shortlog -sne`. */
  readonly authors: ReadonlyArray<Author>
  /** Ascending by day, then by author. Days without commits have no entry. Empty when they were handed over. */
  readonly days: ReadonlyArray<AuthorDay>
  /** Null without commits. */
  readonly firstDay: string | null
  readonly lastDay: string | null
  /** Ascending by weekday, then by hour. Hours without commits have no entry. */
  readonly hours: ReadonlyArray<WeekHour>
}

/** Options of `collect`. */
export interface CollectOptions<E, R> {
  /** The limit for the whole pass. Defaults to `10 minutes`. */
  readonly timeout?: Duration.Input | undefined
  /**
   * Takes the days instead of the history, a few thousand at a time, while git waits. Those of one author and day may
   * come in several parts. Defaults to keeping all of them for the history.
   */
  readonly onDays?: ((days: ReadonlyArray<NamedDay>) => Effect.Effect<void, E, R>) | undefined
}

/**
 * Collects the history of `repository` up to its `head`.
 *
 * Fails with `GitTimeout`, `GitNotFound`, or `GitFailed` when git cannot read the history, for example because objects
 * are missing; partial figures are never returned. On interruption git is killed.
 */
export const collect = Effect.fn("GitHistory.collect")(function*<E = never, R = never>(
  repository: Repository,
  options?: CollectOptions<E, R>
): Effect.fn.Return<History, GitError | E, ChildProcessSpawner | Path.Path | R> {
  const tally = makeTally(DateTime.add(yield* DateTime.now, { years: 1 }))
  const reader = GitLog.reader(tally)
  const onDays = options?.onDays
  const between = onDays === undefined
    ? undefined
    : Effect.suspend(() => tally.size() < handOverAt ? Effect.void : onDays(tally.take()))
  const ending = yield* GitCommand.run(
    ["log", ...logOptions, "--end-of-options", repository.head, "--"],
    {
      directory: repository.root,
      gitDir: repository.gitDir,
      trusted: [repository.root],
      timeout: options?.timeout ?? "10 minutes"
    },
    reader.push,
    between
  )
  const well = reader.end()
  if (ending.exitCode !== 0 || !well) {
    const stderr = ending.exitCode === 0 ? "the output of git log has an unknown form" : ending.stderr
    return yield* new GitFailed({ command: "log", path: repository.root, exitCode: ending.exitCode, stderr })
  }
  if (onDays !== undefined) yield* onDays(tally.take())
  return tally.result(repository.head)
})

// of a year's work of ten people; some 200 bytes each
const handOverAt = 4000

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
const hourNumber = (raw: string): number => {
  const match = /^(\d+) ([+-]\d*?)(\d{1,2})$/.exec(raw)
  if (match === null) return 0
  const [, seconds, hours = "", minutes] = match
  const offset = Math.abs(Number(`${hours}0`)) * 6 + Number(minutes)
  return Math.floor((Number(seconds) + (hours.startsWith("-") ? -offset : offset) * 60) / 3600)
}

// days repeat, so each is made once
const makeDays = () => {
  const known = new Map<number, string>()
  return (number: number): string => {
    const found = known.get(number)
    if (found !== undefined) return found
    const day = DateTime.formatIsoDateUtc(DateTime.makeUnsafe(number * dayMillis))
    known.set(number, day)
    return day
  }
}

const makeTally = (latest: DateTime.Utc) => {
  const latestHour = Math.floor(DateTime.toEpochMillis(latest) / dayMillis) * 24 + 23
  const dayOf = makeDays()
  const contributors = new Map<string, Contributor>()
  const week = Array.from({ length: 168 }, () => 0)
  let pairs = 0
  let [earliestDay, latestDay] = [Infinity, -Infinity]
  const total = { commits: 0, additions: 0, deletions: 0 }
  let current: Counts = total
  let latestEntry: { readonly days: Map<string, Counts>; readonly day: string } | undefined

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
      const hour = Math.min(latestHour, Math.max(0, hourNumber(date)))
      const number = Math.floor(hour / 24)
      earliestDay = Math.min(earliestDay, number)
      latestDay = Math.max(latestDay, number)
      // 1970 began on a Thursday
      const ofWeek = (hour + 72) % 168
      week[ofWeek] = (week[ofWeek] ?? 0) + 1
      const day = dayOf(number)
      const contributor = contributorOf(name, email)
      const known = contributor.days.get(day)
      current = known ?? { commits: 0, additions: 0, deletions: 0 }
      if (known === undefined) {
        contributor.days.set(day, current)
        pairs += 1
      }
      latestEntry = { days: contributor.days, day }
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
    return {
      head,
      ...total,
      authors: ordered.map(({ commits, email, name }) => ({ name, email, commits })),
      days,
      firstDay: total.commits === 0 ? null : dayOf(earliestDay),
      lastDay: total.commits === 0 ? null : dayOf(latestDay),
      hours: week.flatMap((commits, index) =>
        commits === 0 ? [] : [{ weekday: Math.floor(index / 24) + 1, hour: index % 24, commits }]
      )
    }
  }

  const take = (): ReadonlyArray<NamedDay> => {
    const taken: Array<NamedDay> = []
    for (const { days, email, name } of contributors.values()) {
      for (const [day, counts] of days) {
        if (counts.commits + counts.additions + counts.deletions > 0) taken.push({ day, name, email, ...counts })
      }
      days.clear()
    }
    pairs = 0
    // more lines of the commit that began last may follow
    current = { commits: 0, additions: 0, deletions: 0 }
    latestEntry?.days.set(latestEntry.day, current)
    return taken
  }

  return { ...visitor, result, take, size: () => pairs }
}

const compare = (a: string, b: string): number => a < b ? -1 : a > b ? 1 : 0

const decode = (bytes: string): string =>
  new TextDecoder("utf-8", { ignoreBOM: true }).decode(Uint8Array.from(bytes, (byte) => byte.charCodeAt(0)))
