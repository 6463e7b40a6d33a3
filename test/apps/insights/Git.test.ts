import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, layer } from "@effect/vitest"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as fs from "node:fs"
import * as path from "node:path"
import * as Git from "../../../src/apps/insights/Git.ts"
import * as GitFixture from "../../fixtures/git/GitFixture.ts"

const refusal = (target: string) => Effect.flip(Git.open(target))

layer(NodeServices.layer)("Git", (it) => {
  describe("open", () => {
    it.effect("describes a repository from its top, from below, from its git directory and through a link", () =>
      Effect.gen(function*() {
        const { git, root, write } = yield* GitFixture.smallRepository("project")
        write("deep/er/file", "x")
        const link = path.join(path.dirname(root), "link")
        fs.symlinkSync(root, link)
        for (const target of [root, `${root}/`, path.join(root, "deep/er"), path.join(root, ".git"), link]) {
          assert.deepStrictEqual(yield* Git.open(target), {
            root,
            gitDir: path.join(root, ".git"),
            name: "project",
            head: git("rev-parse", "HEAD").trim(),
            branch: "main"
          })
        }
        assert.strictEqual((yield* Git.open(path.relative(process.cwd(), root))).root, root)
      }))

    it.effect("describes a bare repository, a linked work tree and a detached head", () =>
      Effect.gen(function*() {
        const { git, root } = yield* GitFixture.smallRepository()
        const bare = path.join(path.dirname(root), "mirror.git")
        git("clone", "--quiet", "--mirror", root, bare)
        const opened = yield* Git.open(bare)
        assert.deepStrictEqual([opened.root, opened.gitDir, opened.name, opened.branch], [bare, bare, "mirror", "main"])
        const linked = path.join(path.dirname(root), "linked")
        git("worktree", "add", "--quiet", "-b", "feature/x", linked)
        const work = yield* Git.open(linked)
        assert.deepStrictEqual([work.root, work.name, work.branch], [linked, "linked", "feature/x"])
        git("checkout", "--quiet", "--detach")
        assert.strictEqual((yield* Git.open(root)).branch, null)
      }))

    it.effect("opens paths with spaces, line breaks, quotes, a leading dash and other scripts", () =>
      Effect.gen(function*() {
        for (
          const name of ["two words", "line\nbreak", "-C", "--output=x", "$(touch pwned)", "'\"`", "日本 é", " ", "*"]
        ) {
          const { root } = yield* GitFixture.smallRepository(name)
          const opened = yield* Git.open(root)
          assert.deepStrictEqual([opened.root, opened.name], [root, name])
        }
      }))

    it.effect("opens a repository that belongs to another user", (context) =>
      Effect.gen(function*() {
        if (process.getuid?.() !== 0) return context.skip("only root can give a directory to another user")
        const { root, write } = yield* GitFixture.smallRepository()
        const bare = path.join(path.dirname(root), "bare.git")
        GitFixture.gitBytes(root, ["clone", "--quiet", "--bare", root, bare])
        write("deep/file", "x")
        for (const owned of [root, path.join(root, ".git"), path.join(root, "deep")]) {
          fs.chownSync(owned, 12_345, 12_345)
        }
        assert.strictEqual((yield* Git.open(path.join(root, "deep"))).root, root)
        fs.chownSync(bare, 12_345, 12_345)
        assert.strictEqual((yield* Git.open(bare)).root, bare)
      }))

    it.effect("fails with NotARepository for a missing path, a file, a plain directory and a NUL", () =>
      Effect.gen(function*() {
        const directory = yield* GitFixture.directory
        const file = path.join(directory, "file")
        fs.writeFileSync(file, "")
        const reasons = []
        for (const target of [path.join(directory, "missing"), file, path.join(file, "below"), directory, "a\0b"]) {
          const error = yield* refusal(target)
          assert.match(error.message, /^".+" (does not exist|is a file|is not inside a git repository): /)
          reasons.push(error._tag === "NotARepository" ? error.reason : error._tag)
        }
        assert.deepStrictEqual(reasons, ["missing", "file", "file", "plain", "missing"])
      }))

    it.effect("fails with EmptyRepository before the first commit, in a work tree and bare", () =>
      Effect.gen(function*() {
        const { root } = yield* GitFixture.repository()
        assert.strictEqual((yield* refusal(root))._tag, "EmptyRepository")
        const bare = yield* GitFixture.directory
        GitFixture.gitBytes(bare, ["init", "--quiet", "--bare"])
        const error = yield* refusal(bare)
        assert.strictEqual(error._tag, "EmptyRepository")
        assert.include(error.message, "no commits yet")
      }))

    it.effect("fails with ShallowClone and says how to complete the clone", () =>
      Effect.gen(function*() {
        const { commit, git, root } = yield* GitFixture.smallRepository()
        commit("second")
        const clone = path.join(path.dirname(root), "shallow")
        git("clone", "--quiet", "--depth", "1", `file://${root}`, clone)
        const error = yield* refusal(clone)
        assert.strictEqual(error._tag, "ShallowClone")
        assert.include(error.message, "git fetch --unshallow")
      }))

    it.effect("fails with GitFailed, quoting git, when the repository is damaged", () =>
      Effect.gen(function*() {
        const { root } = yield* GitFixture.smallRepository()
        fs.appendFileSync(path.join(root, ".git/config"), "[broken\n")
        const error = yield* refusal(root)
        assert.strictEqual(error._tag, "GitFailed")
        assert.include(error.message, "bad config")
        const lost = yield* GitFixture.smallRepository()
        fs.writeFileSync(path.join(lost.root, ".git/refs/heads/main"), `${"1".repeat(40)}\n`)
        assert.strictEqual((yield* refusal(lost.root))._tag, "GitFailed")
      }))

    it.effect("fails with GitNotFound when no directory of PATH holds git", () =>
      Effect.gen(function*() {
        const { root } = yield* GitFixture.smallRepository()
        const empty = yield* GitFixture.directory
        const error = yield* refusal(root).pipe(
          Effect.provideService(ConfigProvider.ConfigProvider, ConfigProvider.fromUnknown({ PATH: `.:${empty}` }))
        )
        assert.strictEqual(error._tag, "GitNotFound")
        assert.include(error.message, `not found in ${empty}:`)
      }))
  })
})
