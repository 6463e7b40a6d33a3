/** The parts of the page, each made from the answers of the service. */
import type { Contributor, Point, Repository, Run, Summary } from "./api.ts"
import * as Chart from "./chart.ts"
import { html } from "./dom.ts"
import * as Format from "./format.ts"
import * as Tree from "./tree.ts"
import * as Week from "./week.ts"

/** Everything about one repository that changes only when it is collected again. */
export interface Detail {
  readonly commits: ReadonlyArray<Point>
  readonly additions: ReadonlyArray<Point>
  readonly deletions: ReadonlyArray<Point>
  readonly contributors: ReadonlyArray<Contributor>
  readonly summary: Summary
}

/** The figures, the charts and the contributors of a repository. */
export const repository = (figures: Repository, detail: Detail): HTMLElement => {
  const { additions, commits, deletions, summary: { hours, languages, releases } } = detail
  return html(
    "article",
    { class: "repository" },
    heading(figures),
    html(
      "dl",
      { class: "figures" },
      figure("Commits", figures.commits, "commits"),
      figure("Contributors", figures.contributors, "people"),
      figure("Lines added", figures.additions, "additions"),
      figure("Lines deleted", figures.deletions, "deletions")
    ),
    facts(figures),
    commits.length === 0 ? null : Chart.make({
      title: "Commits per week",
      height: 240,
      series: [{ label: "commits", tone: "commits", points: commits }]
    }),
    additions.length === 0 ? null : Chart.make({
      title: "Lines per week",
      height: 220,
      series: [
        { label: "added", tone: "additions", points: additions },
        { label: "deleted", tone: "deletions", points: deletions }
      ]
    }),
    hours.length + languages.length + releases.length === 0 ? null : html(
      "div",
      { class: "pair" },
      hours.length === 0 ? null : Week.make(hours),
      html(
        "div",
        {},
        languages.length === 0 ? null : Tree.languages(languages),
        releases.length === 0 ? null : Tree.releases(releases, figures.releases)
      )
    ),
    detail.contributors.length === 0 ? null : contributors(detail.contributors, figures)
  )
}

/** The latest runs, newest first; `now` in milliseconds since the epoch. */
export const runs = (list: ReadonlyArray<Run>, now: number): HTMLElement =>
  html(
    "section",
    { class: "runs" },
    html("h2", {}, "Latest runs"),
    list.length === 0
      ? html("p", { class: "quiet" }, "Nothing has run yet.")
      : html("ol", {}, ...list.map((run) => runItem(run, now)))
  )

/** A message in place of figures, with a button when `retry` is given. */
export const notice = (title: string, text: string, retry?: () => void): HTMLElement => {
  const button = retry === undefined ? null : html("button", { type: "button" }, "Try again")
  if (button !== null && retry !== undefined) button.addEventListener("click", retry)
  return html(
    "div",
    { class: retry === undefined ? "notice" : "notice problem" },
    html("h1", {}, title),
    html("p", {}, text),
    button
  )
}

/** A choice between repositories; left out when there is only one. */
export const chooser = (
  list: ReadonlyArray<Repository>,
  chosen: string,
  choose: (id: string) => void
): HTMLElement | null => {
  if (list.length < 2) return null
  const select = html(
    "select",
    { id: "repository" },
    ...list.map((item) => html("option", { value: item.id, selected: item.id === chosen ? "" : undefined }, item.name))
  )
  select.addEventListener("change", () => choose(select.value))
  return html("p", { class: "chooser" }, html("label", { for: "repository" }, "Repository"), select)
}

const heading = (figures: Repository): HTMLElement => {
  const { branch, firstDay: first, head, lastDay: last, path } = figures
  return html(
    "header",
    { class: "heading" },
    html("h1", {}, figures.name),
    html(
      "p",
      { class: "facts" },
      html("span", { class: "path", title: path }, path),
      html(
        "span",
        {},
        branch ?? "detached head",
        head === null ? null : html("code", { title: head }, head.slice(0, 8))
      ),
      first === null || last === null
        ? null
        : html("span", {}, first === last ? Format.day(first) : `${Format.day(first)} – ${Format.day(last)}`)
    )
  )
}

const figure = (label: string, value: number, tone: string): HTMLElement =>
  html("div", { class: tone }, html("dt", {}, label), html("dd", {}, Format.count(value)))

/** The smaller figures, as words in one line. */
const facts = ({ busFactor, bytes, contributors, files, firstDay, lastDay, releases }: Repository): HTMLElement =>
  html(
    "p",
    { class: "facts" },
    html("span", {}, `${Format.counted(files, "file")}, ${Format.size(bytes)}`),
    releases === 0 ? null : html("span", {}, Format.counted(releases, "release")),
    firstDay === null || lastDay === null || firstDay === lastDay
      ? null
      : html("span", {}, `${Format.age(firstDay, lastDay)} of work`),
    busFactor === 0 || contributors < 2 ? null : html(
      "span",
      { title: "The least number of people who together made half of the commits: the bus factor" },
      busFactor === 1
        ? "1 person made half of the commits"
        : `${Format.count(busFactor)} people made half of the commits`
    )
  )

const contributors = (list: ReadonlyArray<Contributor>, figures: Repository): HTMLElement => {
  const most = Math.max(1, ...list.map((person) => person.commits))
  const rest = figures.contributors - list.length
  return html(
    "section",
    { class: "contributors" },
    html("h2", {}, "Top contributors"),
    html("ol", {}, ...list.map((person) => contributor(person, most))),
    rest > 0 ? html("p", { class: "quiet" }, `and ${Format.counted(rest, "other")}`) : null
  )
}

const contributor = (person: Contributor, most: number): HTMLElement => {
  const bar = html("span", { class: "share", "aria-hidden": "true" })
  bar.style.setProperty("--share", String(person.commits / most))
  return html(
    "li",
    {},
    html("span", { class: "name", title: person.name }, person.name === "" ? "(no name)" : person.name),
    html("span", { class: "amount" }, Format.counted(person.commits, "commit")),
    bar,
    html(
      "span",
      { class: "lines" },
      html("span", { class: "additions" }, `+${Format.compact(person.additions)}`),
      " ",
      html("span", { class: "deletions" }, `−${Format.compact(person.deletions)}`)
    )
  )
}

const runItem = (run: Run, now: number): HTMLElement =>
  html(
    "li",
    { class: run.status },
    html("span", { class: "outcome" }, run.status),
    html("span", { class: "task", title: run.task }, run.task),
    html(
      "time",
      { datetime: run.startedAt, title: Format.instant(run.startedAt) },
      Format.ago(run.startedAt, now)
    ),
    html(
      "span",
      { class: "circumstances" },
      [`by ${run.trigger.kind}`, run.runMs === null ? null : `took ${Format.duration(run.runMs)}`]
        .filter((part) => part !== null)
        .join(" · ")
    ),
    run.failure !== null
      ? html("p", { class: "error" }, run.failure.message)
      : run.items !== null && run.items.failed > 0
      ? html("p", { class: "error" }, run.items.summary)
      : null
  )
