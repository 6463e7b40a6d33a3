/**
 * Flags that take a length of time: all of them read the same words.
 */
import * as Flag from "effect/cli/Flag"
import * as Duration from "effect/Duration"
import * as Result from "effect/Result"
import * as DurationText from "ostinato/core/DurationText"

/** Takes e.g. `90s`, `5m` or `"1 day"`; a number alone is refused. */
export const make = (name: string) =>
  Flag.String(name).pipe(
    Flag.mapTryCatch(
      (text) => Duration.millis(Result.getOrThrowWith(DurationText.parse(text), (problem) => problem)),
      String
    )
  )
