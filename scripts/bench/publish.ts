/** Keeps the last results beside the suites: raw repetitions as JSON, the table inside the README. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs"

const readme = new URL("./README.md", import.meta.url)

/** Writes `results/SUITE.json` and the text between the suite's two markers in the README. */
export const publish = (results: { readonly suite: string }, table: string): void => {
  const begin = `<!-- ${results.suite}: begin -->`
  const end = `<!-- ${results.suite}: end -->`
  const text = readFileSync(readme, "utf8")
  const from = text.indexOf(begin)
  const to = text.indexOf(end)
  if (from < 0 || to < from) throw new Error(`README.md lacks the markers ${begin} and ${end}`)
  mkdirSync(new URL("./results/", import.meta.url), { recursive: true })
  writeFileSync(new URL(`./results/${results.suite}.json`, import.meta.url), `${JSON.stringify(results, null, 2)}\n`)
  writeFileSync(readme, `${text.slice(0, from + begin.length)}\n\n${table}\n\n${text.slice(to)}`)
}
