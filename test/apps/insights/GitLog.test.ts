import { assert, describe, it } from "@effect/vitest"
import * as GitLog from "../../../src/apps/insights/GitLog.ts"

const read = (stream: string, size: number) => {
  const seen: Array<string> = []
  const reader = GitLog.reader({
    commit: (day, name, email) => seen.push(`${day} ${name} ${email}`),
    lines: (additions, deletions) => seen.push(`+${additions} -${deletions}`)
  })
  const bytes = Uint8Array.from(stream, (character) => character.charCodeAt(0))
  for (let start = 0; start < bytes.length; start += size) reader.push(bytes.subarray(start, start + size))
  return { well: reader.end(), seen }
}

const stream = [
  "commit 2024-01-02\0A\xf6\0a@x\0\n3\t1\tplain\0-\t-\tbinary\0",
  "0\t0\t\0commit 2024-01-01\x001\t2\told\n\0",
  `12\t34\t${"p".repeat(40_000)}\0`,
  "commit 2024-01-01\0\0\0commit 2023-12-31\0B\0b@x\0\n7\t0\t\ttab\0"
].join("")

describe("GitLog", () => {
  describe("reader", () => {
    it("reads the same from pieces of any size", () => {
      const expected = [
        "2024-01-02 A\xf6 a@x",
        "+3 -1",
        "+0 -0",
        "+0 -0",
        "+12 -34",
        "2024-01-01  ",
        "2023-12-31 B b@x",
        "+7 -0"
      ]
      for (const size of [1, 2, 3, 7, 64, 4096, 1_000_000]) {
        assert.deepStrictEqual(read(stream, size), { well: true, seen: expected })
      }
    })

    it("accepts an empty stream", () => {
      assert.deepStrictEqual(read("", 1), { well: true, seen: [] })
    })

    it("refuses a stream that was cut off inside a commit or a rename, or that has another form", () => {
      for (
        const damaged of [
          "commit 2024-01-01",
          "commit 2024-01-01\0A\0",
          "commit 2024-01-01\0A\0a@x\0\n0\t0\t\0old\0",
          "commit 2024-01-01\0A\0a@x\0\n12\t\0",
          "commit 2024-01-01\0A\0a@x\0\nx\ty\tz\0",
          "warning: something\0",
          "3\t1\tfile\0"
        ]
      ) {
        assert.isFalse(read(damaged, 5).well, damaged)
      }
    })
  })
})
