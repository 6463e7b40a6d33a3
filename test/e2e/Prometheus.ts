/**
 * A strict reader of the Prometheus text format, version 0.0.4, as far as a scraper goes: every line is a comment of a
 * known form or a sample; a sample belongs to the family that was declared before it; no sample comes twice; buckets
 * never fall and the last one equals the count.
 */

/** What was read. */
export interface Exposition {
  /** By name and labels, as written. */
  readonly samples: ReadonlyMap<string, number>
  /** What a scraper would refuse; empty if all is well. */
  readonly problems: ReadonlyArray<string>
}

const help = /^# HELP ([a-zA-Z_:][\w:]*) (?:[^\\]|\\[\\n])*$/
const type = /^# TYPE ([a-zA-Z_:][\w:]*) (counter|gauge|histogram|summary|untyped)$/
const label = `[a-zA-Z_]\\w*="(?:[^"\\\\]|\\\\["\\\\n])*"`
const sample = new RegExp(
  `^([a-zA-Z_:][\\w:]*)(?:\\{((?:${label}(?:,${label})*)?)\\})? ([+-]?(?:Inf|\\d+(?:\\.\\d+)?(?:e[+-]?\\d+)?)|NaN)$`,
  "i"
)

/** Reads one answer. */
export const parse = (text: string): Exposition => {
  const types = new Map<string, string>()
  const samples = new Map<string, number>()
  const problems: Array<string> = []
  if (!text.endsWith("\n")) problems.push("the last line has no end")
  for (const line of text.split("\n")) {
    if (line === "" || help.test(line)) continue
    const typed = type.exec(line)
    const found = sample.exec(line)
    if (typed !== null) {
      const [, name = "", kind = ""] = typed
      if (types.has(name)) problems.push(`declared twice: ${line}`)
      types.set(name, kind)
    } else if (found === null) problems.push(`not understood: ${line}`)
    else {
      const [, name = "", labels = "", value = ""] = found
      const family = types.has(name) ? name : name.replace(/_(bucket|sum|count)$/, "")
      if (!types.has(family)) problems.push(`of no family: ${line}`)
      else if (family !== name && types.get(family) !== "histogram") problems.push(`of no histogram: ${line}`)
      const key = `${name}{${labels}}`
      if (samples.has(key)) problems.push(`twice: ${line}`)
      samples.set(key, Number(value.replace("Inf", "Infinity")))
    }
  }
  return { samples, problems: [...problems, ...brokenBuckets(samples)] }
}

const brokenBuckets = (samples: ReadonlyMap<string, number>): ReadonlyArray<string> => {
  const problems: Array<string> = []
  const before = new Map<string, number>()
  for (const [key, value] of samples) {
    const bucket = /^(.*)_bucket\{(.*?),?le="([^"]*)"\}$/.exec(key)
    if (bucket === null) continue
    const [, name = "", labels = "", bound = ""] = bucket
    const series = `${name}{${labels}}`
    if (value < (before.get(series) ?? 0)) problems.push(`falls: ${key}`)
    before.set(series, value)
    if (bound === "+Inf" && samples.get(`${name}_count{${labels}}`) !== value) problems.push(`is not the count: ${key}`)
  }
  return problems
}
