/** The report of a suite about jobs, as people read it. */
import { spread } from "../interleave.ts"
import { again, compare, find, range, type Results } from "./results.ts"
import { tables } from "./tables.ts"

const noise = (results: Results): string => {
  const repeated = results.rows.find(({ base, name, part }) => part === "drain" && name === again(base))
  if (repeated === undefined) return "no A/A row: no verdict"
  const found = compare(repeated, find(results, "drain", repeated.base), "jobsPerSecond")
  if (found === undefined) return "no A/A row: no verdict"
  const quiet = found.median >= 0.9 && found.median <= 1.1
  return `A/A ratio ${range(found)}: ${
    quiet ? "inside 0.9-1.1" : "outside 0.9-1.1, the machine was too noisy for a verdict"
  }`
}

/** What each row is, once: rows of one system share the line of its first. */
const legend = (results: Results): string => {
  const lines = new Map<string, string>()
  for (const { about, name } of results.rows) if (!lines.has(about)) lines.set(about, `- \`${name}\`: ${about}`)
  return Array.from(lines.values()).join("\n")
}

/** The report of a run, as Markdown. */
export const report = (results: Results): string => {
  const { cores, cpu, memoryGb, system } = results.machine
  const loads = spread(results.rows.flatMap((row) => row.repetitions.map(({ load }) => load)))
  return [
    `${results.date}, ${results.repetitions} repetitions${results.quick ? " (quick: a tenth of every size)" : ""}, ${
      results.minutes.toFixed(1)
    } minutes. ${cores} cores (${cpu}), ${memoryGb} GiB, ${system}. ${
      noise(results)
    }. Load average before a measurement: ${
      loads === undefined ? "-" : `median ${loads.median.toFixed(2)}, ${loads.min.toFixed(2)}-${loads.max.toFixed(2)}`
    }.`,
    `Versions: ${Object.entries(results.versions).map(([name, version]) => `${name} ${version}`).join(", ")}.`,
    `Postgres: ${
      Object.entries(results.settings).map(([name, value]) => `${name}=${value}`).join(" ")
    }, locale C, UTF8, the rest default (durability on).`,
    ...tables(results),
    legend(results)
  ].join("\n\n")
}
