/**
 * Draws the commits of each hour of the week as a heat map: a row for each day from Monday, a column for each hour.
 *
 * Five steps of one colour, by the share of the busiest hour. The busiest hour is said in words, and a table below
 * holds every number.
 */
import type { WeekHour } from "./api.ts"
import { html, svg } from "./dom.ts"
import * as Format from "./format.ts"

const days = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
const hours = Array.from({ length: 24 }, (_, hour) => hour)
const cell = { width: 20, height: 18, gap: 2, left: 34, top: 18 }
const steps = 5

/** Makes the figure. */
export const make = (list: ReadonlyArray<WeekHour>): HTMLElement => {
  const counts = new Map(list.map(({ commits, hour, weekday }) => [`${weekday} ${hour}`, commits]))
  const of = (day: number, hour: number) => counts.get(`${day + 1} ${hour}`) ?? 0
  const busiest = list.reduce((most, one) => one.commits > most.commits ? one : most, list[0] ?? nothing)
  const told = `most on ${days[busiest.weekday - 1] ?? ""} from ${clock(busiest.hour)}: ${
    Format.counted(busiest.commits, "commit")
  }`
  const width = cell.left + 24 * cell.width
  const height = cell.top + 7 * cell.height
  const drawing = svg(
    "svg",
    { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `Commits by weekday and hour, ${told}` },
    ...hours.filter((hour) => hour % 6 === 0).map((hour) =>
      svg("text", { x: cell.left + hour * cell.width, y: 11, class: "hour" }, clock(hour))
    ),
    ...days.flatMap((day, row) => [
      svg("text", { x: 0, y: cell.top + row * cell.height + 12 }, day),
      ...hours.map((hour) =>
        svg(
          "rect",
          {
            class: `heat heat-${step(of(row, hour), busiest.commits)}`,
            x: cell.left + hour * cell.width,
            y: cell.top + row * cell.height,
            width: cell.width - cell.gap,
            height: cell.height - cell.gap,
            rx: 3
          },
          svg("title", {}, `${day} ${clock(hour)}: ${Format.counted(of(row, hour), "commit")}`)
        )
      )
    ])
  )
  return html(
    "figure",
    { class: "week" },
    html("figcaption", {}, html("h2", {}, "Hours of the week"), html("span", { class: "caption" }, told)),
    drawing,
    table(of)
  )
}

const nothing: WeekHour = { weekday: 1, hour: 0, commits: 0 }

const clock = (hour: number): string => `${String(hour).padStart(2, "0")}:00`

const step = (value: number, most: number): number => value === 0 ? 0 : Math.ceil((value / most) * steps)

const table = (of: (day: number, hour: number) => number): HTMLElement =>
  html(
    "details",
    {},
    html("summary", {}, "Show as a table"),
    html(
      "div",
      { class: "scroll", tabindex: 0, role: "region", "aria-label": "Commits by weekday and hour" },
      html(
        "table",
        {},
        html(
          "thead",
          {},
          html("tr", {}, html("th", { scope: "col" }, "hour"), ...days.map((day) => html("th", { scope: "col" }, day)))
        ),
        html(
          "tbody",
          {},
          ...hours.map((hour) =>
            html(
              "tr",
              {},
              html("th", { scope: "row" }, clock(hour)),
              ...days.map((_, day) => html("td", {}, Format.count(of(day, hour))))
            )
          )
        )
      )
    )
  )
