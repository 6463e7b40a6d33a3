import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import { DurationText } from "ostinato"

describe("DurationText", () => {
  const times: Record<string, number> = {
    "0s": 0,
    "500ms": 500,
    "90s": 90_000,
    "1 second": 1000,
    "5m": 300_000,
    "5 min": 300_000,
    "5 minutes": 300_000,
    "2h": 7_200_000,
    "1h30m": 5_400_000,
    "1 hour 30 minutes": 5_400_000,
    "1.5h": 5_400_000,
    "0.1s": 100,
    " 1 day ": 86_400_000,
    "7d": 604_800_000,
    "2w": 1_209_600_000,
    "2 weeks": 1_209_600_000,
    PT5M: 300_000,
    P1DT12H: 129_600_000
  }
  for (const [text, millis] of Object.entries(times)) {
    it(`reads "${text}" as ${millis} ms`, () => {
      assert.deepStrictEqual(DurationText.parse(text), Result.succeed(millis))
    })
  }

  it("refuses a number without a unit, and says which to write", () => {
    assert.deepStrictEqual(
      DurationText.parse("90"),
      Result.fail(`"90" has no unit: write 90s for seconds, or 90s, 5m, 2h, "1 day" or "2 weeks"`)
    )
  })

  for (
    const text of [
      "",
      " ",
      "soon",
      "-5m",
      "5 moons",
      "5m 3",
      "h",
      "1m2",
      "5M",
      "P1M",
      "P1Y",
      "1e3s",
      "99999999999999999w",
      "0.0001ms"
    ]
  ) {
    it(`refuses "${text}"`, () => {
      const read = DurationText.parse(text)
      assert.isTrue(Result.isFailure(read) && read.failure.startsWith(`"${text}" is no time`), String(read))
    })
  }
})
