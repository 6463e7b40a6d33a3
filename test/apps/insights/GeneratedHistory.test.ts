import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as fs from "node:fs"
import * as path from "node:path"
import * as Git from "../../../src/apps/insights/Git.ts"
import * as GitHistory from "../../../src/apps/insights/GitHistory.ts"
import * as GitTags from "../../../src/apps/insights/GitTags.ts"
import * as GitTree from "../../../src/apps/insights/GitTree.ts"
import * as GitFixture from "../../fixtures/git/GitFixture.ts"
import * as GeneratedHistory from "./GeneratedHistory.ts"

/** A bare repository from a seed. */
const generated = Effect.fnUntraced(function*(shape: GeneratedHistory.Shape) {
  const root = path.join(yield* GitFixture.directory, "generated.git")
  fs.mkdirSync(root)
  GitFixture.gitBytes(root, ["init", "--quiet", "--bare", "--initial-branch", "main"])
  GitFixture.gitInput(root, ["fast-import", "--quiet"], Buffer.concat([...GeneratedHistory.stream(shape)]))
  return GitFixture.at(root)
})

/** What git's own commands say, for the figures that `GitFixture.oracle` does not have. */
const more = (root: string, ref: string) => {
  const { git } = GitFixture.at(root)
  const lines = (text: string) => text.split("\n").filter((line) => line !== "")
  const hours: Record<string, number> = {}
  for (const hour of lines(git("log", "--date=format:%u %H", "--format=%ad", ref))) hours[hour] = (hours[hour] ?? 0) + 1
  const blobs = git("ls-tree", "-r", "-l", "-z", ref).split("\0").filter((entry) => entry.startsWith("100"))
  return {
    hours,
    files: blobs.length,
    bytes: blobs.reduce((sum, entry) => sum + Number(entry.slice(0, entry.indexOf("\t")).split(/ +/)[3]), 0),
    tags: lines(git("for-each-ref", "--format=%(refname:strip=2) %(creatordate:unix)", "refs/tags"))
  }
}

/** Everything that we read, with the days handed over on the way. */
const collected = Effect.fnUntraced(function*(root: string) {
  const repository = yield* Git.open(root)
  const parts: Array<number> = []
  const days: Record<string, number> = {}
  const authors: Record<string, number> = {}
  const sum = { commits: 0, additions: 0, deletions: 0 }
  const history = yield* GitHistory.collect(repository, {
    onDays: (part) =>
      Effect.sync(() => {
        parts.push(part.length)
        for (const { additions, commits, day, deletions, email, name } of part) {
          if (commits > 0) days[day] = (days[day] ?? 0) + commits
          authors[`${name} <${email}>`] = (authors[`${name} <${email}>`] ?? 0) + commits
          sum.commits += commits
          sum.additions += additions
          sum.deletions += deletions
        }
      })
  })
  return { repository, history, parts, days, authors, sum }
})

/** Compares every figure with git's own, and gives the history. */
const assertEqualsGit = Effect.fnUntraced(function*(root: string) {
  const { authors, days, history, parts, repository, sum } = yield* collected(root)
  const { git } = GitFixture.at(repository.root)
  const expected = GitFixture.oracle(repository.root, history.head)
  assert.deepStrictEqual(
    {
      commits: history.commits,
      shortlog: history.authors
        .map(({ commits, email, name }) => `${String(commits).padStart(6)}\t${name} <${email}>\n`).join(""),
      additions: history.additions,
      deletions: history.deletions,
      days
    },
    expected
  )
  assert.deepStrictEqual(sum, {
    commits: history.commits,
    additions: history.additions,
    deletions: history.deletions
  })
  assert.strictEqual(Object.values(authors).reduce((all, own) => all + own, 0), history.commits)
  // none of the parts in which it came is much larger than it may be
  assert.isTrue(parts.every((length) => length < 6000), parts.join(" "))
  const found = Object.keys(days).sort()
  assert.deepStrictEqual([history.firstDay, history.lastDay], [found[0], found.at(-1)])

  const { bytes, files, hours, tags } = more(repository.root, history.head)
  assert.deepStrictEqual(
    Object.fromEntries(
      history.hours.map(({ commits, hour, weekday }) => [`${weekday} ${String(hour).padStart(2, "0")}`, commits])
    ),
    hours
  )
  const tree = yield* GitTree.read(repository)
  assert.deepStrictEqual([tree.files, tree.bytes], [files, bytes])
  const releases = yield* GitTags.read(repository)
  assert.deepStrictEqual(
    releases.map(({ at, name }) => `${name} ${at}`),
    tags.filter((line) => !/^of-(file|tree) /.test(line))
  )
  for (const { commit, name } of releases.slice(0, 3)) {
    assert.strictEqual(commit, git("rev-parse", `refs/tags/${name}^{commit}`).trim())
  }
  return { history, parts }
})

layer(NodeServices.layer, { excludeTestServices: true })("a history", (it) => {
  for (const shape of [{ seed: 7, commits: 10_000, authors: 40 }, { seed: 11, commits: 10_000, authors: 400 }]) {
    it.effect(`of ${shape.commits} generated commits and ${shape.authors} authors equals git, figure by figure`, () =>
      Effect.gen(function*() {
        const { git, root } = yield* generated(shape)
        // tags of a file, of a tree and of a tag
        git("tag", "of-file", "main:.mailmap")
        git("tag", "of-tree", "main^{tree}")
        git("tag", "-a", "-m", "m", "of-tag", "annotated-1")
        const { history, parts } = yield* assertEqualsGit(root)
        assert.strictEqual(history.commits, shape.commits)
        assert.isAbove(parts.length, 1)
      }))
  }

  it.effect("of this project equals git, figure by figure", (context) =>
    Effect.gen(function*() {
      const opened = yield* Effect.result(Git.open(import.meta.dirname))
      if (opened._tag === "Failure") return context.skip(opened.failure.message)
      yield* assertEqualsGit(import.meta.dirname)
    }))

  it.effect("tags of objects that are not there are passed over, and the others are read", () =>
    Effect.gen(function*() {
      const { git, root } = yield* GitFixture.smallRepository()
      git("tag", "whole")
      fs.writeFileSync(path.join(root, ".git/refs/tags/broken"), `${"1".repeat(40)}\n`)
      const releases = yield* GitTags.read(yield* Git.open(root))
      assert.deepStrictEqual(releases.map(({ name }) => name), ["whole"])
    }))
})
