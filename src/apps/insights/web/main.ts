/**
 * Shows the repositories and the latest runs, and keeps them up to date while somebody looks.
 *
 * States: loading, waiting for the first collection, showing, unreachable. The page asks again every two seconds
 * while it waits or something runs, every fifteen otherwise, and never while it is hidden. Charts are drawn again only
 * after a new collection; when a later request fails, the last figures stay and the page says that they may be old.
 */
import * as Api from "./api.ts"
import { html } from "./dom.ts"
import * as Format from "./format.ts"
import * as View from "./view.ts"

const soon = 2_000
const later = 15_000

const main = place("main")
const status = place("status")
const repositoryPlace = html("div", { class: "place" })
const runsPlace = html("div", { class: "place" })

let chosen: string | null = null
let shownRepository = ""
let shownRuns = ""
let timer: ReturnType<typeof setTimeout> | undefined
let asking = false
let askAgain = false

const refresh = async (): Promise<void> => {
  clearTimeout(timer)
  if (asking) {
    askAgain = true
    return
  }
  asking = true
  let pause = later
  try {
    pause = await show()
  } catch (error) {
    showProblem(
      error instanceof Api.ApiError ? error.message : `The page could not show the figures (${String(error)}).`
    )
  }
  asking = false
  main.setAttribute("aria-busy", "false")
  if (askAgain) {
    askAgain = false
    return refresh()
  }
  if (!document.hidden) timer = setTimeout(refresh, pause)
}

const show = async (): Promise<number> => {
  const [repositories, runs] = await Promise.all([Api.repositories(), Api.runs()])
  const collected = repositories.filter((repository) => repository.syncedAt !== null)
  const current = collected.find((repository) => repository.id === chosen) ?? collected[0]
  if (current === undefined) showWaiting(runs)
  else await showRepository(current, collected)
  showRuns(runs)
  if (!repositoryPlace.isConnected) main.replaceChildren(repositoryPlace, runsPlace)
  say(current?.syncedAt == null ? "" : `Collected ${Format.ago(current.syncedAt, Date.now())}`)
  return current === undefined || runs.some((run) => run.status === "running") ? soon : later
}

const showWaiting = (runs: ReadonlyArray<Api.Run>): void => {
  const finished = runs.find((run) => run.status !== "running")
  const failed = finished?.status === "failed" && !runs.some((run) => run.status === "running")
  const key = failed ? `failed ${finished.id}` : "waiting"
  if (shownRepository === key) return
  shownRepository = key
  repositoryPlace.replaceChildren(
    failed
      ? View.notice(
        "The first collection failed",
        "Its message is below. Put right what it names, then start the service again, or run “ostinato run " +
          "insights.sync” beside it. The figures appear here by themselves."
      )
      : View.notice(
        "First collection is running…",
        "The figures appear here by themselves as soon as they are complete."
      )
  )
}

const showRepository = async (
  current: Api.Repository,
  collected: ReadonlyArray<Api.Repository>
): Promise<void> => {
  const key = JSON.stringify([current, collected.map(({ id, name }) => [id, name])])
  if (shownRepository === key) return
  const [commits, additions, deletions, contributors, summary] = await Promise.all([
    Api.weekly(current.id, "commits"),
    Api.weekly(current.id, "additions"),
    Api.weekly(current.id, "deletions"),
    Api.contributors(current.id),
    Api.summary(current.id)
  ])
  const chooser = View.chooser(collected, current.id, (id) => {
    chosen = id
    void refresh()
  })
  shownRepository = key
  document.title = `${current.name} · Insights`
  repositoryPlace.replaceChildren(
    ...(chooser === null ? [] : [chooser]),
    View.repository(current, { commits, additions, deletions, contributors, summary })
  )
}

const showRuns = (runs: ReadonlyArray<Api.Run>): void => {
  const now = Date.now()
  const key = JSON.stringify(runs.map((run) => [run, Format.ago(run.startedAt, now)]))
  if (shownRuns === key) return
  shownRuns = key
  runsPlace.replaceChildren(View.runs(runs, now))
}

const showProblem = (message: string): void => {
  if (shownRepository !== "") return say(`${message} The figures below may be old.`)
  main.replaceChildren(View.notice("No figures to show", message, () => void refresh()))
}

const say = (text: string): void => {
  if (status.textContent !== text) status.textContent = text
}

function place(id: string): HTMLElement {
  const element = document.getElementById(id)
  if (element === null) throw new Error(`the page has no element "${id}"`)
  return element
}

document.addEventListener("visibilitychange", () => document.hidden ? clearTimeout(timer) : void refresh())
main.replaceChildren(html("p", { class: "notice" }, "Loading figures…"))
void refresh()
