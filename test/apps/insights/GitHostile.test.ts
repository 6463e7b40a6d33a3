import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, layer } from "@effect/vitest"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as ChildProcessSpawner from "effect/process/ChildProcessSpawner"
import { execFileSync } from "node:child_process"
import * as fs from "node:fs"
import * as path from "node:path"
import * as Git from "../../../src/apps/insights/Git.ts"
import * as GitHistory from "../../../src/apps/insights/GitHistory.ts"
import * as GitMirror from "../../../src/apps/insights/GitMirror.ts"
import * as GitTags from "../../../src/apps/insights/GitTags.ts"
import * as GitTree from "../../../src/apps/insights/GitTree.ts"
import * as RepositorySource from "../../../src/apps/insights/RepositorySource.ts"
import * as GitFixture from "../../fixtures/git/GitFixture.ts"
import * as GitHttp from "../../fixtures/git/GitHttp.ts"

/** A program that leaves a mark when it is executed, and the marks left so far. */
const trap = Effect.gen(function*() {
  const directory = yield* GitFixture.directory
  const program = path.join(directory, "trap.sh")
  const marks = path.join(directory, "marks")
  fs.mkdirSync(marks)
  fs.writeFileSync(program, `#!/bin/sh\necho "$*" >> "${marks}/$PPID.$$"\nexit 1\n`, { mode: 0o755 })
  return { program, marks: () => fs.readdirSync(marks).length }
})

/** A repository whose configuration names `program` wherever git might run one while it reads. */
const hostileRepository = Effect.fnUntraced(function*(program: string) {
  const { commit, git, root, write } = yield* GitFixture.smallRepository()
  write(".gitattributes", "* diff=evil filter=evil merge=evil\n")
  write("file", "one\ntwo\n")
  commit("second")
  const tree = git("rev-parse", "HEAD^{tree}").trim()
  const signed = path.join(root, ".git", "signed")
  const who = "Ada <ada@example.org> 1704110400 +0000"
  fs.writeFileSync(
    signed,
    `tree ${tree}\nparent ${git("rev-parse", "HEAD").trim()}\nauthor ${who}\ncommitter ${who}\n` +
      "gpgsig -----BEGIN PGP SIGNATURE-----\n \n iQ==\n -----END PGP SIGNATURE-----\n\nsigned\n"
  )
  git("update-ref", "HEAD", git("hash-object", "-t", "commit", "-w", signed).trim())
  for (
    const hook of ["post-checkout", "pre-commit", "reference-transaction", "fsmonitor-watchman", "post-index-change"]
  ) {
    fs.copyFileSync(program, path.join(root, ".git/hooks", hook))
  }
  fs.appendFileSync(
    path.join(root, ".git/config"),
    `[core]\n\tfsmonitor = ${program}\n\tpager = ${program}\n\teditor = ${program}\n\tsshCommand = ${program}\n` +
      `\thooksPath = ${root}/.git/hooks\n\talternateRefsCommand = ${program}\n\taskPass = ${program}\n` +
      `[pager]\n\tlog = ${program}\n[diff]\n\texternal = ${program}\n` +
      `[diff "evil"]\n\tcommand = ${program}\n\ttextconv = ${program}\n\tcachetextconv = true\n` +
      `[filter "evil"]\n\tclean = ${program}\n\tsmudge = ${program}\n\tprocess = ${program}\n\trequired = true\n` +
      `[gpg]\n\tprogram = ${program}\n[log]\n\tshowSignature = true\n[credential]\n\thelper = !${program}\n` +
      `[color]\n\tui = always\n[alias]\n\tlog = !${program}\n\trev-parse = !${program}\n`
  )
  return { root, git }
})

/** A repository that hangs every reader of its mailmap: opening a pipe without a writer never returns. */
const hangingRepository = Effect.gen(function*() {
  const { root } = yield* GitFixture.smallRepository()
  execFileSync("mkfifo", [path.join(root, ".mailmap")])
  return root
})

/** Sets variables of this process and returns how to take them back. */
const plant = (variables: Record<string, string>) => {
  const before = { ...process.env }
  Object.assign(process.env, variables)
  return () => {
    for (const name of Object.keys(variables)) {
      if (before[name] === undefined) delete process.env[name]
      else process.env[name] = before[name]
    }
  }
}

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

/** Runs `effect` with a spawner that reports the pid of the first `git log`. */
const withPid = Effect.fnUntraced(function*<A, E, R>(effect: Effect.Effect<A, E, R>) {
  const pid = yield* Deferred.make<number>()
  const spawner = yield* ChildProcessSpawner.ChildProcessSpawner
  const watched = ChildProcessSpawner.make((command) =>
    Effect.tap(spawner.spawn(command), (child) =>
      command._tag === "StandardCommand" && command.args.includes("log")
        ? Deferred.succeed(pid, child.pid)
        : Effect.void)
  )
  return {
    pid,
    effect: Effect.provideService(effect, ChildProcessSpawner.ChildProcessSpawner, watched)
  }
})

layer(NodeServices.layer, { excludeTestServices: true })("Git in a hostile repository", (it) => {
  describe("execution", () => {
    it.effect("executes nothing that the repository configures and writes nothing", () =>
      Effect.gen(function*() {
        const { marks, program } = yield* trap
        const { git, root } = yield* hostileRepository(program)
        const before = GitFixture.listing(root)
        const repository = yield* Git.open(root)
        const history = yield* GitHistory.collect(repository)
        const tree = yield* GitTree.read(repository)
        const tags = yield* GitTags.read(repository)
        assert.strictEqual(marks(), 0)
        assert.deepStrictEqual(GitFixture.listing(root), before)
        assert.deepStrictEqual([tree.files, tags.length], [2, 0])
        assert.deepStrictEqual([history.commits, history.additions, history.deletions], [3, 4, 1])
        // the trap is real: git without the hardening walks into it
        assert.throws(() => git("log", "-p"))
        assert.isAbove(marks(), 0)
      }))

    it.effect("does not fetch the missing objects of a partial clone", () =>
      Effect.gen(function*() {
        const { marks, program } = yield* trap
        const { git, root } = yield* GitFixture.smallRepository()
        const blob = git("rev-parse", "HEAD:file").trim()
        git("config", "core.repositoryFormatVersion", "1")
        git("config", "extensions.partialClone", "origin")
        git("config", "remote.origin.promisor", "true")
        git("config", "remote.origin.url", `${root}/.git`)
        git("config", "remote.origin.uploadpack", program)
        const repository = yield* Git.open(root)
        fs.rmSync(path.join(root, ".git/objects", blob.slice(0, 2), blob.slice(2)))
        assert.strictEqual((yield* Effect.flip(GitHistory.collect(repository)))._tag, "GitFailed")
        assert.strictEqual(marks(), 0)
        assert.throws(() => git("log", "--numstat"))
        assert.isAbove(marks(), 0)
      }))

    it.effect("reads nothing through submodules, alternates, includes and names that look like options", () =>
      Effect.gen(function*() {
        const { marks, program } = yield* trap
        const other = yield* GitFixture.smallRepository("other")
        const { commit, git, root, write } = yield* GitFixture.smallRepository("--upload-pack=touch pwned")
        write(".gitmodules", `[submodule "x"]\n\tpath = x\n\turl = ext::${program}\n\tupdate = !${program}\n`)
        git("add", ".gitmodules")
        git("update-index", "--add", "--cacheinfo", `160000,${other.git("rev-parse", "HEAD").trim()},x`)
        commit("submodule")
        git("update-ref", "refs/tags/--output=pwned", "HEAD")
        git("symbolic-ref", "HEAD", "refs/heads/--output=pwned")
        git("update-ref", "refs/heads/--output=pwned", "refs/heads/main")
        fs.writeFileSync(path.join(root, ".git/objects/info/alternates"), `${other.root}/.git/objects\n`)
        fs.writeFileSync(path.join(root, ".git/more"), `[core]\n\tfsmonitor = ${program}\n\tsshCommand = ${program}\n`)
        fs.appendFileSync(
          path.join(root, ".git/config"),
          `[include]\n\tpath = more\n[submodule]\n\trecurse = true\n[submodule "x"]\n\turl = ext::${program}\n` +
            `\tupdate = !${program}\n\tactive = true\n[protocol "ext"]\n\tallow = always\n` +
            `[remote "origin"]\n\turl = ext::${program}\n\tuploadpack = ${program}\n\tvcs = ${program}\n`
        )
        const before = [...GitFixture.listing(root), ...GitFixture.listing(other.root)]
        const repository = yield* Git.open(root)
        const history = yield* GitHistory.collect(repository)
        const tree = yield* GitTree.read(repository)
        const tags = yield* GitTags.read(repository)
        assert.strictEqual(marks(), 0)
        assert.deepStrictEqual([...GitFixture.listing(root), ...GitFixture.listing(other.root)], before)
        assert.deepStrictEqual([history.commits, tree.files, tags.map(({ name }) => name)], [2, 2, ["--output=pwned"]])
      }))

    it.effect("mirrors from a hostile server: no redirect to another protocol, no program, no configuration", () =>
      Effect.gen(function*() {
        const { marks, program } = yield* trap
        const root = yield* GitFixture.directory
        const { root: source } = yield* hostileRepository(program)
        GitFixture.gitBytes(root, ["clone", "--quiet", "--bare", "--no-local", `${source}/.git`, "evil.git"])
        const before = marks()
        const secret = yield* GitFixture.smallRepository("secret")
        const server = yield* GitHttp.serve(root, (request, response) => {
          if (!request.url?.startsWith("/redirected")) return false
          response.writeHead(302, { location: `file://${secret.root}/.git/info/refs` }).end()
          return true
        })
        const mirrors = path.join(root, "mirrors")
        const at = (name: string) => Effect.fromResult(RepositorySource.parse(`${server.url}/${name}`))
        const remote = Effect.fnUntraced(function*(name: string) {
          const source = yield* at(name)
          return source.kind === "url" ? yield* GitMirror.refresh(source, mirrors) : assert.fail(name)
        })
        const repository = yield* Git.open(yield* remote("evil.git"))
        assert.strictEqual((yield* GitHistory.collect(repository)).commits, 3)
        for (const name of ["redirected/x", "none"]) {
          assert.strictEqual((yield* Effect.flip(remote(name)))._tag, "RemoteUnavailable")
        }
        assert.strictEqual(marks(), before)
        assert.strictEqual(fs.readdirSync(mirrors).length, 1)
      }))

    it.effect("S1.25 makes no half mirror when a server stops in the middle, wants a password, answers a page or is not there", () =>
      Effect.gen(function*() {
        const root = yield* GitFixture.directory
        const { root: source } = yield* GitFixture.smallRepository()
        GitFixture.gitBytes(root, ["clone", "--quiet", "--bare", source, "score.git"])
        let asked = 0
        const server = yield* GitHttp.serve(root, (request, response) => {
          if (request.url?.startsWith("/private")) {
            response.writeHead(401, { "www-authenticate": "Basic realm=x" }).end()
            return true
          }
          if (request.url?.startsWith("/page")) {
            response.writeHead(200, { "content-type": "text/html" }).end("<html>Welcome</html>")
            return true
          }
          if (request.method !== "POST" || asked++ < 1) return false
          response.writeHead(200, { "content-type": "application/x-git-upload-pack-result" })
          response.write("0008NAK\n")
          response.destroy()
          return true
        })
        const mirrors = path.join(root, "mirrors")
        const urls = ["score", "private/score", "page/score"].map((name) => `${server.url}/${name}`)
        // a name that does not exist takes the resolver seconds
        yield* Effect.forEach(
          [...urls, "https://nowhere.invalid/score", "http://127.0.0.1:9/score"],
          Effect.fnUntraced(function*(url) {
            const source = yield* Effect.fromResult(RepositorySource.parse(url))
            assert.ok(source.kind === "url")
            const error = yield* Effect.flip(GitMirror.refresh(source, mirrors))
            assert.strictEqual(error._tag, "RemoteUnavailable")
            assert.include(error.message, source.url)
          }),
          { concurrency: "unbounded", discard: true }
        )
        assert.deepStrictEqual(fs.readdirSync(mirrors), [])
      }))

    it.effect("does not run a program named git that lies in the repository", () =>
      Effect.gen(function*() {
        const { marks, program } = yield* trap
        const { root } = yield* GitFixture.smallRepository()
        fs.copyFileSync(program, path.join(root, "git"))
        yield* Effect.flatMap(Git.open(root), (repository) => GitHistory.collect(repository)).pipe(
          Effect.provideService(
            ConfigProvider.ConfigProvider,
            ConfigProvider.fromUnknown({ PATH: `.::bin:/usr/local/bin:/usr/bin:/bin` })
          )
        )
        assert.strictEqual(marks(), 0)
      }))

    it.effect("ignores the variables and the configuration of the user", () =>
      Effect.gen(function*() {
        const { marks, program } = yield* trap
        const { root } = yield* GitFixture.smallRepository()
        const home = yield* GitFixture.directory
        fs.writeFileSync(
          path.join(home, ".gitconfig"),
          `[mailmap]\n\tfile = ${home}/mailmap\n[core]\n\tpager = ${program}\n`
        )
        fs.writeFileSync(path.join(home, "mailmap"), "Nobody <ada@example.org>\n")
        const planted = { HOME: home, GIT_DIR: home, GIT_TRACE: path.join(home, "trace"), GIT_EXTERNAL_DIFF: program }
        const history = yield* Effect.acquireUseRelease(
          Effect.sync(() => plant(planted)),
          () => Effect.flatMap(Git.open(root), (repository) => GitHistory.collect(repository)),
          (restore) => Effect.sync(restore)
        )
        assert.deepStrictEqual(history.authors.map((author) => author.name), ["Ada"])
        assert.isFalse(fs.existsSync(path.join(home, "trace")))
        assert.strictEqual(marks(), 0)
      }))
  })

  describe("time", () => {
    it.effect("fails with GitTimeout and leaves no git behind when the repository hangs", () =>
      Effect.gen(function*() {
        const repository = yield* Git.open(yield* hangingRepository)
        const { effect, pid } = yield* withPid(GitHistory.collect(repository, { timeout: "300 millis" }))
        const error = yield* Effect.flip(effect)
        assert.strictEqual(error._tag, "GitTimeout")
        assert.include(error.message, "within 0.3 s")
        assert.isFalse(isAlive(yield* Deferred.await(pid)))
      }))

    it.effect("kills git on interruption before the interruption returns", () =>
      Effect.gen(function*() {
        const repository = yield* Git.open(yield* hangingRepository)
        const { effect, pid } = yield* withPid(GitHistory.collect(repository))
        const fiber = yield* Effect.forkChild(effect)
        const child = yield* Deferred.await(pid)
        assert.isTrue(isAlive(child))
        yield* Fiber.interrupt(fiber)
        assert.isFalse(isAlive(child))
        assert.isTrue(Exit.hasInterrupts(yield* Fiber.await(fiber)))
      }))

    it.effect("fails with GitFailed when something else kills git", () =>
      Effect.gen(function*() {
        const repository = yield* Git.open(yield* hangingRepository)
        const { effect, pid } = yield* withPid(GitHistory.collect(repository))
        const fiber = yield* Effect.forkChild(Effect.flip(effect))
        process.kill(yield* Deferred.await(pid), "SIGKILL")
        const error = yield* Fiber.join(fiber)
        assert.strictEqual(error._tag, "GitFailed")
        assert.include(error.message, "did not finish")
      }))
  })
})
