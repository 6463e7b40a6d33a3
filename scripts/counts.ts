/**
 * Prints the plain line `N passed, N failed` (with `, N skipped` when there are any) of the last test run that wrote a
 * report, as it does with `CI` set. A file that failed before its first test counts as one failure. Exits 1 when a test
 * failed, when none ran, and when there is no report.
 */
import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"

interface Report {
  readonly testResults: ReadonlyArray<{
    readonly status: string
    readonly assertionResults: ReadonlyArray<{ readonly status: string }>
  }>
}

/** The counts of a report in vitest's JSON format. */
export const counts = (report: Report) => {
  const statuses = report.testResults.flatMap((file) => file.assertionResults.map((test) => test.status))
  const passed = statuses.filter((status) => status === "passed").length
  const failedTests = statuses.filter((status) => status === "failed").length
  const failedFiles =
    report.testResults.filter((file) =>
      file.status === "failed" && !file.assertionResults.some((test) => test.status === "failed")
    ).length
  const failed = failedTests + failedFiles
  return { passed, failed, skipped: statuses.length - passed - failedTests }
}

/** The line for people and scripts to read. */
export const line = ({ failed, passed, skipped }: ReturnType<typeof counts>) =>
  `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`

if (import.meta.main) {
  const file = process.argv[2] ?? join(import.meta.dirname, "..", ".ostinato", "tests.json")
  const result = existsSync(file)
    ? counts(JSON.parse(readFileSync(file, "utf8")))
    : { passed: 0, failed: 0, skipped: 0 }
  console.log(line(result))
  if (result.failed > 0 || result.passed === 0) process.exitCode = 1
}
