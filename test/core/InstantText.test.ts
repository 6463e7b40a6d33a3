import { assert, describe, it } from "@effect/vitest"
import * as DateTime from "effect/DateTime"
import * as Result from "effect/Result"
import { InstantText } from "ostinato"

const read = (text: string) => Result.getOrThrow(Result.map(InstantText.parse(text), DateTime.formatIso))

describe("an instant", () => {
  it("is read as a day, with a time, with a zone, and is UTC where it says none", () => {
    const cases = {
      "2026-11-01": "2026-11-01T00:00:00.000Z",
      " 2026-11-01T08:00 ": "2026-11-01T08:00:00.000Z",
      "2026-11-01 08:00": "2026-11-01T08:00:00.000Z",
      "2026-11-01T08:00:01.25Z": "2026-11-01T08:00:01.250Z",
      "2026-11-01T08:00+02:00": "2026-11-01T06:00:00.000Z",
      "2026-11-01T08:00:00-0330": "2026-11-01T11:30:00.000Z",
      "2028-02-29": "2028-02-29T00:00:00.000Z"
    }
    for (const [text, instant] of Object.entries(cases)) assert.strictEqual(read(text), instant)
  })

  it("is refused on a day that no calendar has, at a time that no day has, and in any other form", () => {
    const cases = {
      "2026-02-30": "no calendar has a 2026-02-30",
      "2026-02-29T10:00Z": "no calendar has a 2026-02-29",
      "2026-13-01": "no calendar has a 2026-13-01",
      "2026-11-00": "no calendar has a 2026-11-00",
      "2026-11-01T25:00": "no day has that time",
      "2026-11-01T10:00+99:00": "no day has that time",
      "11/01/2026": "write 2026-11-01 or 2026-11-01T08:00:00Z",
      "tomorrow": "write 2026-11-01",
      "": "write 2026-11-01"
    }
    for (const [text, says] of Object.entries(cases)) {
      const answer = InstantText.parse(text)
      assert.include(Result.isFailure(answer) ? answer.failure : "was read", says, text)
    }
  })
})
