/**
 * Flags that take a length of time, or an instant: all of them read the same words.
 */
import * as Flag from "effect/cli/Flag"
import * as Duration from "effect/Duration"
import * as Result from "effect/Result"
import * as DurationText from "ostinato/core/DurationText"
import * as InstantText from "ostinato/core/InstantText"

/** Takes e.g. `90s`, `5m` or `"1 day"`; a number alone is refused. */
export const make = (name: string) =>
  Flag.String(name).pipe(
    Flag.mapTryCatch(
      (text) => Duration.millis(Result.getOrThrowWith(DurationText.parse(text), (problem) => problem)),
      String
    )
  )

/** Takes e.g. `2026-11-01` or `2026-11-01T08:00:00Z`. */
export const instant = (name: string) =>
  Flag.String(name).pipe(
    Flag.mapTryCatch((text) => Result.getOrThrowWith(InstantText.parse(text), (problem) => problem), String)
  )
