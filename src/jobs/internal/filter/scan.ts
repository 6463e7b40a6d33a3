/** The text of a filter, cut into terms. A quoted part holds whatever it holds; a backslash in it keeps the next character. */
import * as Result from "effect/Result"

/** Something wrong, and where: the place counts from 1. */
export interface Fault {
  readonly at: number
  readonly detail: string
}

export interface Value {
  readonly text: string
  readonly at: number
}

export interface Term {
  readonly at: number
  /** With quotes taken off: `payload."a.b".c` is three. */
  readonly key: ReadonlyArray<string>
  readonly operator: Operator
  /** With a comma between them as written. */
  readonly values: ReadonlyArray<Value>
  /** All of it as one, commas included. */
  readonly whole: Value
}

type Operator = "=" | "<" | "<=" | ">" | ">="

const blank = /\s/
const operators = /[:=<>]/

export const terms = (text: string): Result.Result<ReadonlyArray<Term>, Fault> => {
  const found: Array<Term> = []
  let at = 0
  while (at < text.length) {
    if (blank.test(text.charAt(at))) {
      at += 1
      continue
    }
    const read = term(text, at)
    if (Result.isFailure(read)) return Result.fail(read.failure)
    found.push(read.success.term)
    at = read.success.end
  }
  return Result.succeed(found)
}

const term = (text: string, start: number): Result.Result<{ readonly term: Term; readonly end: number }, Fault> => {
  const key = parts(text, start, ".", operators)
  if (Result.isFailure(key)) return Result.fail(key.failure)
  const { end: afterKey, parts: names } = key.success
  const sign = /^(<=|>=|<|>|:|=)/.exec(text.slice(afterKey, afterKey + 2))?.[0]
  if (sign === undefined) {
    return Result.fail({
      at: start + 1,
      detail: `${JSON.stringify(text.slice(start, afterKey))} is no term: a term is key:value, e.g. state:running`
    })
  }
  const from = afterKey + sign.length
  const wrong = /^[:=<>]+/.exec(text.slice(from))?.[0]
  if (wrong !== undefined) {
    return Result.fail({
      at: afterKey + 1,
      detail: `"${sign}${wrong}" compares nothing: write one of : < <= > >=, ` +
        "and quote a value that begins with one of these"
    })
  }
  const value = parts(text, from, ",", undefined)
  if (Result.isFailure(value)) return Result.fail(value.failure)
  const { end, parts: values } = value.success
  return Result.succeed({
    end,
    term: {
      at: start + 1,
      key: names.map(({ text }) => text),
      operator: isOrder(sign) ? sign : "=",
      values,
      whole: { at: from + 1, text: values.map(({ text }) => text).join(",") }
    }
  })
}

const isOrder = (sign: string): sign is Operator => sign !== ":"

/** What stands between separators, up to a blank or one of the ends. */
const parts = (
  text: string,
  start: number,
  separator: string,
  ends: RegExp | undefined
): Result.Result<{ readonly parts: ReadonlyArray<Value>; readonly end: number }, Fault> => {
  const found: Array<Value> = []
  let current = { at: start + 1, text: "" }
  let at = start
  while (at < text.length) {
    const character = text.charAt(at)
    if (blank.test(character) || ends?.test(character) === true) break
    if (character === separator) {
      found.push(current)
      at += 1
      current = { at: at + 1, text: "" }
    } else if (character === "\"") {
      const quoted = unquote(text, at)
      if (Result.isFailure(quoted)) return Result.fail(quoted.failure)
      current.text += quoted.success.text
      at = quoted.success.end
    } else {
      current.text += character
      at += 1
    }
  }
  return Result.succeed({ parts: [...found, current], end: at })
}

const unquote = (
  text: string,
  start: number
): Result.Result<{ readonly text: string; readonly end: number }, Fault> => {
  let inside = ""
  for (let at = start + 1; at < text.length; at++) {
    const character = text.charAt(at)
    if (character === "\"") return Result.succeed({ text: inside, end: at + 1 })
    if (character === "\\") at += 1
    inside += text.charAt(at)
  }
  return Result.fail({ at: start + 1, detail: "the quote that opens here is not closed" })
}
