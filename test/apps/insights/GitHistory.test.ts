import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, layer } from "@effect/vitest"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as fs from "node:fs"
import * as path from "node:path"
import * as Git from "../../../src/apps/insights/Git.ts"
import * as GitHistory from "../../../src/apps/insights/GitHistory.ts"
import * as GitFixture from "../../fixtures/git/GitFixture.ts"

const collect = Effect.fnUntraced(function*(root: string) {
  return yield* GitHistory.collect(yield* Git.open(root))
})

/** The history in the form of the oracle, after checking that its parts add up. */
const figures = (history: GitHistory.History) => {
  const days: Record<string, number> = {}
  let [commits, additions, deletions] = [0, 0, 0]
  for (const day of history.days) {
    days[day.day] = (days[day.day] ?? 0) + day.commits
    commits += day.commits
    additions += day.additions
    deletions += day.deletions
  }
  assert.deepStrictEqual([commits, additions, deletions], [history.commits, history.additions, history.deletions])
  history.authors.forEach((author, index) => {
    const own = history.days.filter((day) => day.author === index)
    assert.strictEqual(own.reduce((sum, day) => sum + day.commits, 0), author.commits)
  })
  return {
    commits: history.commits,
    shortlog: history.authors
      .map(({ commits, email, name }) => `${String(commits).padStart(6)}\t${name} <${email}>\n`)
      .join(""),
    additions: history.additions,
    deletions: history.deletions,
    days
  }
}

const assertEqualsGit = Effect.fnUntraced(function*(root: string) {
  const history = yield* collect(root)
  assert.deepStrictEqual(figures(history), GitFixture.oracle(root, history.head))
  return history
})

layer(NodeServices.layer, { excludeTestServices: true })("GitHistory", (it) => {
  describe("collect", () => {
    it.effect("equals git for merges, renames, binary files, empty commits, several roots and odd names", () =>
      Effect.gen(function*() {
        const { commit, git, root, write } = yield* GitFixture.repository("odd repository")
        write("a.txt", "1\n2\n3\n")
        write("picture", Uint8Array.of(0, 1, 2, 255, 0))
        commit("root")
        git("checkout", "--quiet", "-b", "side")
        write("dir/side.txt", "s\ns\n")
        commit("side", { name: "Bea", email: "bea@example.org", date: "2024-01-03T08:00:00 +0000" })
        git("checkout", "--quiet", "main")
        write("a.txt", "1\ntwo\n3\n4\n")
        commit("main", { name: "Zoë Ångström", email: "zoe@example.org", date: "2024-01-02T08:00:00 +0000" })
        GitFixture.gitBytes(root, ["merge", "--quiet", "--no-ff", "--message", "merge", "side"], {
          GIT_AUTHOR_NAME: "Merger",
          GIT_AUTHOR_EMAIL: "merger@example.org",
          GIT_AUTHOR_DATE: "2024-01-04T08:00:00 +0000"
        })
        git("mv", "a.txt", "commit renamed\tto\n1\t2\tx")
        commit("rename without change")
        git("mv", "dir/side.txt", "5\t6\t")
        write("5\t6\t", "s\ns\nt\n")
        commit("rename with change")
        commit("empty")
        write("new\nline", "x\n")
        write("-dash", "no newline at the end")
        write("\"quoted\" \\ \u00e9 \u202e", "x\ny\n")
        GitFixture.gitBytes(
          root,
          ["update-index", "--add", "--index-info"],
          {},
          indexLineOfBytes(git("hash-object", "-w", "picture").trim())
        )
        commit("odd file names")
        write("picture", Uint8Array.of(0, 9, 9))
        commit("binary again")
        git("checkout", "--quiet", "--orphan", "other-root")
        commit("second root", { date: "2023-12-31T23:59:59 -0100" })
        git("checkout", "--quiet", "main")
        git("merge", "--quiet", "--allow-unrelated-histories", "--strategy", "ours", "--message", "join", "other-root")

        const history = yield* assertEqualsGit(root)
        assert.isAbove(history.additions, 10)
        assert.isTrue(history.authors.some((author) => author.name === "Zoë Ångström"))
      }))

    it.effect("adds no lines for a merge that resolves a conflict", () =>
      Effect.gen(function*() {
        const { commit, git, root, write } = yield* GitFixture.smallRepository()
        git("checkout", "--quiet", "-b", "side")
        write("file", "side\n")
        commit("side")
        git("checkout", "--quiet", "main")
        write("file", "main\n")
        commit("main")
        const before = yield* assertEqualsGit(root)
        git("merge", "--strategy", "ours", "--no-commit", "side")
        write("file", "resolved\nby hand\nin three lines\n")
        commit("evil merge", { name: "Merger", email: "merger@example.org" })
        for (const value of ["separate", "first-parent", "combined"]) {
          git("config", "log.diffMerges", value)
          const history = yield* assertEqualsGit(root)
          assert.strictEqual(history.commits, before.commits + 2)
          assert.strictEqual(history.additions, before.additions + 1)
        }
      }))

    it.effect("puts commits of one instant on the days of their own zones", () =>
      Effect.gen(function*() {
        const { commit, root } = yield* GitFixture.repository()
        commit("plus", { date: "1709249400 +0530" })
        commit("minus", { date: "1709249400 -0800" })
        commit("far", { date: "1709249400 +1400" })
        commit("odd", { date: "1709249400 -0330" })
        const history = yield* assertEqualsGit(root)
        assert.deepStrictEqual(figures(history).days, { "2024-03-01": 2, "2024-02-29": 2 })
      }))

    it.effect("counts a date before 1970 or more than a year ahead on the nearest day, and keeps it in the totals", () =>
      Effect.gen(function*() {
        const { commit, root, write } = yield* GitFixture.repository()
        for (const date of ["@253402300800 +0000", "@253370764800 +0000", "@0 -0800", "@1709249400 +0000"]) {
          write("file", `${date}\n`)
          commit(date, { date })
        }
        const ahead = DateTime.formatIsoDateUtc(DateTime.add(yield* DateTime.now, { days: 300 }))
        commit("ahead", { date: `${ahead}T12:00:00 +0000` })
        const before = yield* DateTime.now
        const history = yield* collect(root)
        const latest = history.days.at(-1)?.day ?? ""
        assert.include(
          [before, yield* DateTime.now].map((now) => DateTime.formatIsoDateUtc(DateTime.add(now, { years: 1 }))),
          latest
        )
        const { days, ...totals } = figures(history)
        // git cannot format all of these dates
        const { days: _, ...expected } = GitFixture.oracle(root, history.head, "raw")
        assert.deepStrictEqual(totals, expected)
        assert.deepStrictEqual(days, { "1970-01-01": 1, "2024-02-29": 1, [ahead]: 1, [latest]: 2 })
      }))

    it.effect("applies the mailmap of a work tree, of a bare repository and of a linked work tree", () =>
      Effect.gen(function*() {
        const { commit, git, root, write } = yield* GitFixture.smallRepository()
        commit("old address", { name: "ada l.", email: "ADA@old.example.org" })
        commit("shared address", { name: "Bob", email: "team@example.org" })
        commit("shared address too", { name: "Cleo", email: "team@example.org" })
        write(
          ".mailmap",
          "Ada Lovelace <ada@example.org> <ada@old.example.org>\nAda Lovelace <ada@example.org>\n" +
            "Cleo C. <cleo@example.org> Cleo <team@example.org>\n"
        )
        commit("mailmap")
        const history = yield* assertEqualsGit(root)
        assert.deepStrictEqual(history.authors, [
          { name: "Ada Lovelace", email: "ada@example.org", commits: 3 },
          { name: "Bob", email: "team@example.org", commits: 1 },
          { name: "Cleo C.", email: "cleo@example.org", commits: 1 }
        ])
        const bare = path.join(path.dirname(root), "bare.git")
        git("clone", "--quiet", "--bare", root, bare)
        assert.deepStrictEqual((yield* assertEqualsGit(bare)).authors, history.authors)
        const linked = path.join(path.dirname(root), "linked")
        git("worktree", "add", "--quiet", "--detach", linked)
        fs.writeFileSync(path.join(linked, ".mailmap"), "Somebody Else <ada@example.org>\n")
        assert.include((yield* assertEqualsGit(linked)).authors.map((author) => author.name), "Somebody Else")
        assert.deepStrictEqual((yield* collect(path.join(root, ".git"))).authors, history.authors)
      }))

    it.effect("keeps authors apart whose names differ only in bytes that are not UTF-8", () =>
      Effect.gen(function*() {
        const { git, root } = yield* GitFixture.smallRepository()
        const tree = git("rev-parse", "HEAD^{tree}").trim()
        const people = [
          "J\xf6rg <j@x>",
          "J\xe4rg <j@x>",
          "\x01tab\there <t@x>",
          "emoji \xf0\x9f\x99\x82 <e@x>",
          " <no-name@x>",
          "no-mail <>"
        ]
        let parent = git("rev-parse", "HEAD").trim()
        for (const [index, person] of people.entries()) {
          const file = path.join(root, ".git", "commit-object")
          const who = `${person} ${1700000000 + index * 86_400} +0000`
          fs.writeFileSync(
            file,
            Buffer.from(`tree ${tree}\nparent ${parent}\nauthor ${who}\ncommitter ${who}\n\nm\n`, "latin1")
          )
          parent = git("hash-object", "-t", "commit", "-w", "--literally", file).trim()
        }
        git("update-ref", "refs/heads/main", parent)
        const history = yield* assertEqualsGit(root)
        assert.strictEqual(history.authors.length, people.length + 1)
        assert.strictEqual(history.authors.filter((author) => author.name === "J\ufffdrg").length, 2)
      }))

    it.effect("counts a commit without a readable author or date", () =>
      Effect.gen(function*() {
        const { git, root } = yield* GitFixture.smallRepository()
        const tree = git("rev-parse", "HEAD^{tree}").trim()
        let parent = git("rev-parse", "HEAD").trim()
        for (const author of ["author broken", "author X <x@x> 99999999999999999999 +0000", "author X <x@x>"]) {
          const file = path.join(root, ".git", "commit-object")
          fs.writeFileSync(file, `tree ${tree}\nparent ${parent}\n${author}\ncommitter X <x@x> 1700000000 +0000\n\nm\n`)
          parent = git("hash-object", "-t", "commit", "-w", "--literally", file).trim()
        }
        git("update-ref", "refs/heads/main", parent)
        const history = yield* collect(root)
        assert.strictEqual(history.commits, Number(git("rev-list", "--count", parent)))
        assert.isTrue(history.days.every((day) => /^\d{4}-\d{2}-\d{2}$/.test(day.day)))
        assert.deepStrictEqual(figures(history).shortlog, GitFixture.oracle(root, parent).shortlog)
      }))

    it.effect("follows the repository's own settings for renames, as git does", () =>
      Effect.gen(function*() {
        const { commit, git, root, write } = yield* GitFixture.smallRepository()
        write("file", "a\nb\nc\nd\ne\n")
        commit("grow")
        git("mv", "file", "moved")
        commit("move")
        const renames = yield* assertEqualsGit(root)
        git("config", "diff.renames", "false")
        const plain = yield* assertEqualsGit(root)
        assert.strictEqual(plain.deletions - renames.deletions, 5)
      }))

    it.effect("equals git in a repository with SHA-256 hashes", () =>
      Effect.gen(function*() {
        const root = path.join(yield* GitFixture.directory, "sha256")
        fs.mkdirSync(root)
        GitFixture.gitBytes(root, ["init", "--quiet", "--object-format=sha256"])
        const fixture = GitFixture.at(root)
        fixture.write("file", "line\n")
        fixture.commit("first")
        assert.strictEqual((yield* assertEqualsGit(root)).head.length, 64)
      }))

    it.effect("equals git for thousands of commits that arrive in many chunks", () =>
      Effect.gen(function*() {
        const { root } = yield* GitFixture.repository()
        let stream = ""
        for (let index = 0; index < 4000; index++) {
          const who = `Author ${index % 37} <a${index % 37}@example.org> ${1_500_000_000 + index * 5_000} +0200`
          const content = `${"line\n".repeat(index % 11)}${index}\n`
          stream += `commit refs/heads/main\nauthor ${who}\ncommitter ${who}\ndata 1\nm\n` +
            `M 644 inline dir/${index % 5}/${"é".repeat(index % 90)}x\ndata ${content.length}\n${content}\n`
        }
        GitFixture.gitBytes(root, ["fast-import", "--quiet"], {}, stream)
        const history = yield* assertEqualsGit(root)
        assert.strictEqual(history.commits, 4000)
        assert.strictEqual(history.authors.length, 37)
      }))

    it.effect("equals git for the repository of this project", (context) =>
      Effect.gen(function*() {
        const opened = yield* Effect.result(Git.open(import.meta.dirname))
        if (opened._tag === "Failure") return context.skip(opened.failure.message)
        const history = yield* GitHistory.collect(opened.success)
        assert.deepStrictEqual(figures(history), GitFixture.oracle(opened.success.root, history.head))
      }))

    it.effect("counts up to the commit that open saw, whatever was committed meanwhile", () =>
      Effect.gen(function*() {
        const { commit, root } = yield* GitFixture.smallRepository()
        const repository = yield* Git.open(root)
        commit("later")
        const history = yield* GitHistory.collect(repository)
        assert.deepStrictEqual([history.head, history.commits], [repository.head, 1])
      }))

    it.effect("fails with GitFailed, never with partial figures, when an object is missing", () =>
      Effect.gen(function*() {
        const { commit, git, root, write } = yield* GitFixture.smallRepository()
        const lost = git("rev-parse", "HEAD:file").trim()
        write("file", "changed\n")
        commit("second")
        const repository = yield* Git.open(root)
        fs.rmSync(path.join(root, ".git/objects", lost.slice(0, 2), lost.slice(2)))
        const error = yield* Effect.flip(GitHistory.collect(repository))
        assert.strictEqual(error._tag, "GitFailed")
        assert.include(error.message, lost)
      }))
  })
})

/** Input of `git update-index --index-info`: one file whose name is not UTF-8. */
const indexLineOfBytes = (blob: string): string => `100644 ${blob}\todd-\u00ff-name\n`
