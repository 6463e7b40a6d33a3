import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import * as RepositorySource from "../../../src/apps/insights/RepositorySource.ts"

describe("RepositorySource", () => {
  it("takes paths as they are and file URLs as the paths that they name", () => {
    for (const path of [".", "/srv/score", "-x", "--upload-pack=touch", "a b", "C:\\score", "x:y", "héé", "a@b/c:d"]) {
      assert.deepStrictEqual(RepositorySource.parse(path), Result.succeed({ kind: "path" as const, path }))
    }
    assert.deepStrictEqual(
      RepositorySource.parse("file:///srv/my%20score"),
      Result.succeed({ kind: "path" as const, path: "/srv/my score" })
    )
  })

  it("reads host, owner and name of a URL, whatever its ending", () => {
    const expected = Result.succeed({
      kind: "url" as const,
      url: "https://example.org/group/sub/score",
      protocol: "https" as const,
      host: "example.org",
      owner: "group/sub",
      name: "score"
    })
    for (const ending of ["", "/", ".git", ".git/"]) {
      assert.deepStrictEqual(RepositorySource.parse(`https://EXAMPLE.org/group/sub/score${ending}`), expected)
    }
    assert.ok(Result.isSuccess(RepositorySource.parse("http://127.0.0.1:8080/score")))
    assert.ok(Result.isSuccess(RepositorySource.parse("http://[::1]/score")))
  })

  it("refuses whatever could start a program, carry a password or be changed on its way, and does not repeat it", () => {
    const refused = [
      "",
      "a\0b",
      "ext::sh -c 'touch hunter2'",
      "EXT::sh",
      "fd::17",
      "ext::ssh://hunter2",
      "git@hunter2.org:owner/name",
      "-oProxyCommand=hunter2@host:x",
      "ssh://-oProxyCommand=hunter2/x",
      "ssh://git@hunter2.org/x",
      "git://hunter2.org/x",
      "ftp://hunter2.org/x",
      "javascript://hunter2",
      "http://hunter2.org/x",
      "http://127.0.0.1.hunter2.org/x",
      "https://me:hunter2@example.org/x",
      "https://hunter2@example.org/x",
      "https://example.org/x?token=hunter2",
      "https://example.org/x#hunter2",
      "https://hunter2.org",
      "https://hunter2.org/.git",
      "https://",
      "https://hun ter2/x",
      "file://hunter2/share"
    ]
    for (const text of refused) {
      const read = RepositorySource.parse(text)
      assert.ok(Result.isFailure(read), text)
      assert.notInclude(read.failure.message, "hunter2")
    }
  })
})
