/**
 * A small history with fixed dates: two people under three identities, a merge, a mailmap that joins two of them.
 */
import * as Effect from "effect/Effect"
import * as GitFixture from "../fixtures/git/GitFixture.ts"

/** A repository with that history, removed with the scope. */
export const repository = Effect.gen(function*() {
  const { commit, git, root, write } = yield* GitFixture.repository("score")
  const bea = { name: "Bea", email: "bea@example.org" }
  write(".mailmap", "Bea <bea@example.org> <b@laptop.example.org>\n")
  write("theme.txt", "one\ntwo\nthree\n")
  commit("theme", { date: "2024-01-01T09:00:00 +0000" })
  git("checkout", "--quiet", "-b", "variation")
  write("variation.txt", "a\nb\n")
  commit("variation", { ...bea, date: "2024-01-09T23:30:00 +0530" })
  git("checkout", "--quiet", "main")
  write("theme.txt", "one\n2\nthree\nfour\n")
  commit("theme again", { date: "2024-01-15T12:00:00 +0000" })
  git("merge", "--quiet", "--no-ff", "--message", "join", "variation")
  write("coda.txt", "end\n")
  commit("coda", { name: "Bea", email: "b@laptop.example.org", date: "2024-02-05T08:00:00 -0800" })
  return root
})

/** Its figures as git itself gives them. */
export const figures = (root: string) => {
  const { additions, commits, days, deletions, shortlog } = GitFixture.oracle(root, "HEAD")
  return {
    commits,
    contributors: shortlog.split("\n").filter((line) => line !== "").length,
    additions,
    deletions,
    days
  }
}
