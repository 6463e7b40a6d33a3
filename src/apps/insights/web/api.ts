/**
 * What the page reads from the service: the shapes of the answers, and one way to fetch them.
 *
 * Every failure becomes an `ApiError` whose message can be shown to a person as it is.
 */

/** Figures of one repository. Days are `YYYY-MM-DD`; they are `null` before the first collection. */
export interface Repository {
  readonly id: string
  readonly name: string
  readonly path: string
  readonly branch: string | null
  readonly head: string | null
  readonly commits: number
  readonly contributors: number
  readonly additions: number
  readonly deletions: number
  readonly files: number
  readonly bytes: number
  readonly releases: number
  readonly busFactor: number
  readonly firstDay: string | null
  readonly lastDay: string | null
  /** An instant in ISO 8601; `null` before the first collection. */
  readonly syncedAt: string | null
}

/** One bucket of a series: the day it begins and its sum. Buckets without commits are there, with 0. */
export interface Point {
  readonly at: string
  readonly value: number
}

/** One contributor, most commits first. */
export interface Contributor {
  readonly name: string
  readonly commits: number
  readonly additions: number
  readonly deletions: number
}

/** Commits of one hour of the week; 1 is Monday. */
export interface WeekHour {
  readonly weekday: number
  readonly hour: number
  readonly commits: number
}

/** What is written in one language, most bytes first. */
export interface Language {
  readonly language: string
  readonly bytes: number
}

/** A tag, newest first. The instant in ISO 8601. */
export interface Release {
  readonly name: string
  readonly at: string
}

/** What is known of a repository besides its totals. */
export interface Summary {
  readonly hours: ReadonlyArray<WeekHour>
  readonly languages: ReadonlyArray<Language>
  readonly releases: ReadonlyArray<Release>
}

/** One run of a task, newest first. Instants in ISO 8601. */
export interface Run {
  readonly id: string
  readonly task: string
  readonly trigger: { readonly kind: string }
  readonly status: string
  readonly startedAt: string
  readonly finishedAt: string | null
  readonly runMs: number | null
  readonly failure: { readonly message: string } | null
  readonly items: { readonly failed: number; readonly summary: string } | null
}

/** The figures that have a series. */
export type SeriesMetric = "commits" | "additions" | "deletions"

/** A failed request, with a message for people. */
export class ApiError extends Error {
  override readonly name = "ApiError"
}

/** All repositories. */
export const repositories = (): Promise<ReadonlyArray<Repository>> => items("insights/repositories")

/** One value for each week of the history. */
export const weekly = (id: string, metric: SeriesMetric): Promise<ReadonlyArray<Point>> =>
  items(`insights/repositories/${encodeURIComponent(id)}/series?bucket=week&metric=${metric}`)

/** The ten contributors with the most commits. */
export const contributors = (id: string): Promise<ReadonlyArray<Contributor>> =>
  items(`insights/repositories/${encodeURIComponent(id)}/contributors?limit=10`)

/** Hours, languages and the latest tags. */
export const summary = async (id: string): Promise<Summary> => {
  const body = await answered(`insights/repositories/${encodeURIComponent(id)}/summary`)
  return { hours: list(body, "hours"), languages: list(body, "languages"), releases: list(body, "releases") }
}

/** The ten latest runs of any task. */
export const runs = (): Promise<ReadonlyArray<Run>> => items("runs?limit=10")

const timeoutMillis = 15_000

const answered = async (path: string): Promise<unknown> => {
  const response = await request(path)
  const body: unknown = await response.json().catch(() => undefined)
  if (!response.ok) throw new ApiError(refusal(response.status, body))
  return body
}

const items = async <A>(path: string): Promise<ReadonlyArray<A>> => list(await answered(path), "items")

// the service encodes its answers from the schemas that the interfaces above mirror
const list = (body: unknown, name: string) => {
  const found = member(body, name)
  if (!Array.isArray(found)) throw new ApiError("The service answered in a form that this page does not know.")
  return found
}

const request = async (path: string): Promise<Response> => {
  try {
    return await fetch(new URL(`api/v1/${path}`, document.baseURI), {
      headers: { accept: "application/json" },
      signal: AbortSignal.timeout(timeoutMillis)
    })
  } catch (error) {
    const late = error instanceof DOMException && error.name === "TimeoutError"
    throw new ApiError(
      late
        ? `The service did not answer within ${timeoutMillis / 1000} seconds.`
        : "The service cannot be reached. Is it still running?"
    )
  }
}

const refusal = (status: number, body: unknown): string => {
  const texts = [member(body, "detail"), member(body, "title")]
  const said = texts.filter((value) => typeof value === "string").find((text) => text !== "") ?? status
  if (status === 401 || status === 403) return `The service refused to show its figures (${said}).`
  return `The service answered with an error (${said}).`
}

const member = (body: unknown, name: string): unknown =>
  typeof body === "object" && body !== null ? Reflect.get(body, name) : undefined
