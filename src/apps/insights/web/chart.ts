/**
 * Draws weekly series as bars in SVG: one series upwards, or two mirrored about zero.
 *
 * The drawing follows the width of its place; where weeks would be thinner than three pixels, several are summed in
 * one bar and the caption says so. Pointer and arrow keys choose a bar, whose figures appear beside it and are
 * announced; a table below holds every single week.
 */
import type { Point } from "./api.ts"
import * as Axis from "./axis.ts"
import { html, svg } from "./dom.ts"
import * as Format from "./format.ts"

/** One series of a chart. */
interface Series {
  /** Plural, lower case: `commits`. */
  readonly label: string
  /** Class of the bars, which gives them their colour. */
  readonly tone: "commits" | "additions" | "deletions"
  readonly points: ReadonlyArray<Point>
}

/** What to draw. All series have the same weeks; the second, if any, grows downwards. */
export interface ChartOptions {
  readonly title: string
  readonly series: readonly [up: Series, down?: Series]
  /** Height of the drawing in pixels. */
  readonly height: number
}

interface Bar {
  readonly first: string
  readonly last: string
  readonly values: ReadonlyArray<number>
}

const week = 7 * 86_400_000
const margin = { top: 10, right: 2, bottom: 26, left: 46 }
const thinnest = 3

/** Makes the figure. It draws itself as soon as it is in the document, and again when its width changes. */
export const make = (options: ChartOptions): HTMLElement => {
  const caption = html("span", { class: "caption" })
  const tip = html("output", { class: "tip", "aria-live": "polite", hidden: "" })
  const place = html("div", { class: "plot" })
  const ruler = html("div", {})
  const figure = html(
    "figure",
    { class: "chart" },
    html("figcaption", {}, html("h2", {}, options.title), caption),
    legend(options),
    ruler,
    place,
    table(options)
  )
  let drawn = 0
  // the ruler has the width of the plot and no height, so that drawing never changes what is observed
  const observer = new ResizeObserver(([entry]) => {
    const width = Math.floor(entry?.contentRect.width ?? 0)
    if (width < 120 || width === drawn) return
    drawn = width
    place.replaceChildren(draw(options, width, caption, tip), tip)
  })
  observer.observe(ruler)
  return figure
}

const draw = (options: ChartOptions, width: number, caption: HTMLElement, tip: HTMLOutputElement): SVGSVGElement => {
  const [up, down] = options.series
  const inner = width - margin.left - margin.right
  const weeks = Math.max(1, Math.ceil((up.points.length * thinnest) / inner))
  const bars = group(options.series.flatMap((series) => series === undefined ? [] : [series.points]), weeks)
  const largest = bars[0]?.values.map((_, index) => Math.max(0, ...bars.map((bar) => bar.values[index] ?? 0))) ?? [0]
  const skewed = down !== undefined && isSkewed(bars)
  const scale = (skewed ? Axis.squareRoot : Axis.linear)(Math.max(...largest))
  caption.textContent = [
    weeks === 1 ? null : `each bar is ${weeks} weeks`,
    skewed ? "square-root scale, so that large changes do not hide small ones" : null
  ].filter((note) => note !== null).join(" · ")

  const height = options.height - margin.top - margin.bottom
  const upShare = scale.share(largest[0] ?? 0)
  const downShare = down === undefined ? 0 : scale.share(largest[1] ?? 0)
  const unit = height / Math.max(down === undefined ? 1 : upShare + downShare, 0.001)
  const zero = margin.top + (down === undefined ? height : upShare * unit)
  const slot = inner / bars.length
  const gap = slot >= 8 ? Math.min(3, slot * 0.2) : slot >= 4 ? 1 : 0.5
  const left = (index: number) => margin.left + index * slot

  const cursor = svg("rect", { class: "cursor", x: 0, y: margin.top, width: slot, height, visibility: "hidden" })
  const rects = bars.flatMap((bar, index) =>
    options.series.flatMap((series, row) => {
      const value = bar.values[row] ?? 0
      if (series === undefined || value === 0) return []
      const size = Math.max(1, scale.share(value) * unit)
      return [svg("rect", {
        class: `bar ${series.tone}`,
        x: (left(index) + gap / 2).toFixed(2),
        y: (row === 0 ? zero - size : zero).toFixed(2),
        width: Math.max(1, Math.min(slot - gap, 28)).toFixed(2),
        height: size.toFixed(2)
      })]
    })
  )
  const drawing = svg(
    "svg",
    {
      viewBox: `0 0 ${width} ${options.height}`,
      width,
      height: options.height,
      role: "img",
      tabindex: 0,
      "aria-label": summary(options)
    },
    svg(
      "g",
      { class: "grid" },
      ...scale.ticks.flatMap((tick) =>
        [zero - scale.share(tick) * unit, down === undefined ? -1 : zero + scale.share(tick) * unit].flatMap((y) =>
          y < margin.top - 1 || y > margin.top + height + 1 ? [] : [
            svg("line", { x1: margin.left, x2: width - margin.right, y1: y.toFixed(1), y2: y.toFixed(1) }),
            svg("text", { x: margin.left - 8, y: y.toFixed(1), dy: "0.32em" }, Format.compact(tick))
          ]
        )
      ),
      svg("text", { x: margin.left - 8, y: zero.toFixed(1), dy: "0.32em" }, "0")
    ),
    cursor,
    ...rects,
    svg("line", { class: "zero", x1: margin.left, x2: width - margin.right, y1: zero.toFixed(1), y2: zero.toFixed(1) }),
    timeAxis(up.points, weeks, slot, width, options.height)
  )
  attachCursor({ drawing, cursor, tip, bars, options, slot, width })
  return drawing
}

const timeAxis = (points: ReadonlyArray<Point>, weeks: number, slot: number, width: number, height: number) => {
  const start = Date.parse(points[0]?.at ?? "")
  const end = start + points.length * week
  const axis = svg("g", { class: "time" })
  for (const tick of Axis.timeTicks(start, end, Math.max(2, Math.floor(width / 84)))) {
    const x = margin.left + ((tick.at - start) / (weeks * week)) * slot
    if (x > width - margin.right - 14) continue
    axis.append(
      svg("line", { x1: x.toFixed(1), x2: x.toFixed(1), y1: height - margin.bottom, y2: height - margin.bottom + 5 }),
      svg("text", { x: x.toFixed(1), y: height - 6 }, tick.label)
    )
  }
  return axis
}

const attachCursor = (view: {
  readonly drawing: SVGSVGElement
  readonly cursor: SVGRectElement
  readonly tip: HTMLOutputElement
  readonly bars: ReadonlyArray<Bar>
  readonly options: ChartOptions
  readonly slot: number
  readonly width: number
}): void => {
  const { bars, cursor, drawing, options, slot, tip, width } = view
  let chosen = bars.length - 1
  const hide = () => {
    tip.hidden = true
    cursor.setAttribute("visibility", "hidden")
  }
  const choose = (index: number) => {
    chosen = Math.max(0, Math.min(bars.length - 1, index))
    const bar = bars[chosen]
    if (bar === undefined) return
    cursor.setAttribute("x", String(margin.left + chosen * slot))
    cursor.setAttribute("visibility", "visible")
    tip.replaceChildren(
      html("span", { class: "when" }, `${Format.day(bar.first)} – ${Format.day(bar.last)}`),
      ...options.series.flatMap((series, row) =>
        series === undefined ? [] : [
          html(
            "span",
            { class: `what ${series.tone}` },
            html("b", {}, Format.count(bar.values[row] ?? 0)),
            ` ${series.label}`
          )
        ]
      )
    )
    tip.hidden = false
    const middle = margin.left + (chosen + 0.5) * slot
    const half = tip.offsetWidth / 2
    tip.style.left = `${Math.max(half, Math.min(width - half, middle))}px`
  }
  drawing.addEventListener("pointermove", (event) => {
    choose(Math.floor((event.clientX - drawing.getBoundingClientRect().left - margin.left) / slot))
  })
  drawing.addEventListener("pointerleave", () => document.activeElement === drawing ? choose(chosen) : hide())
  drawing.addEventListener("focus", () => choose(chosen))
  drawing.addEventListener("blur", hide)
  drawing.addEventListener("keydown", (event) => {
    const target = {
      ArrowLeft: chosen - 1,
      ArrowRight: chosen + 1,
      PageUp: chosen - 10,
      PageDown: chosen + 10,
      Home: 0,
      End: bars.length - 1
    }[event.key]
    if (event.key === "Escape") hide()
    if (target === undefined) return
    event.preventDefault()
    choose(target)
  })
}

const group = (rows: ReadonlyArray<ReadonlyArray<Point>>, weeks: number): ReadonlyArray<Bar> => {
  const points = rows[0] ?? []
  return Array.from({ length: Math.ceil(points.length / weeks) }, (_, index) => {
    const own = points.slice(index * weeks, (index + 1) * weeks)
    const last = Date.parse(own.at(-1)?.at ?? "") + week - 86_400_000
    return {
      first: own[0]?.at ?? "",
      last: new Date(last).toISOString().slice(0, 10),
      values: rows.map((row) =>
        row.slice(index * weeks, (index + 1) * weeks).reduce((sum, point) => sum + point.value, 0)
      )
    }
  })
}

/** One bar towers over the others: ten times the value that nine bars in ten stay below. */
const isSkewed = (bars: ReadonlyArray<Bar>): boolean => {
  const values = bars.flatMap((bar) => bar.values.filter((value) => value > 0)).sort((a, b) => a - b)
  return (values.at(-1) ?? 0) > 10 * (values[Math.floor(values.length * 0.9)] ?? 0) ||
    (values.at(-1) ?? 0) > 40 * (values[Math.floor(values.length * 0.5)] ?? 0)
}

const summary = (options: ChartOptions): string => {
  const [{ points }] = options.series
  const parts = options.series.flatMap((series) => {
    if (series === undefined) return []
    const total = series.points.reduce((sum, point) => sum + point.value, 0)
    const peak = series.points.reduce((best, point) => point.value > best.value ? point : best, { at: "", value: 0 })
    const most = peak.value === 0 ? "" : `, most in the week of ${Format.day(peak.at)} with ${Format.count(peak.value)}`
    return [`${Format.count(total)} ${series.label}${most}`]
  })
  const from = points[0]?.at
  const span = from === undefined ? "" : ` since ${Format.day(from)}`
  return `${options.title}${span}: ${parts.join("; ")}. Arrow keys read single bars; a table follows.`
}

const legend = (options: ChartOptions): HTMLElement | null =>
  options.series.length < 2 ? null : html(
    "p",
    { class: "legend", "aria-hidden": "true" },
    ...options.series.flatMap((series) =>
      series === undefined ? [] : [html("span", { class: series.tone }, series.label)]
    )
  )

const table = (options: ChartOptions): HTMLElement => {
  const details = html("details", {}, html("summary", {}, "Show as a table"))
  // thousands of rows are only made when somebody wants them
  details.addEventListener("toggle", () => {
    if (details.childElementCount > 1) return
    const columns = options.series.flatMap((series) => series === undefined ? [] : [series])
    const rows = options.series[0].points.map((point, index) =>
      html(
        "tr",
        {},
        html("th", { scope: "row" }, Format.day(point.at)),
        ...columns.map((series) => html("td", {}, Format.count(series.points[index]?.value ?? 0)))
      )
    ).reverse()
    details.append(html(
      "div",
      { class: "scroll", tabindex: 0, role: "region", "aria-label": `${options.title} as a table` },
      html(
        "table",
        {},
        html(
          "thead",
          {},
          html(
            "tr",
            {},
            html("th", { scope: "col" }, "Week of"),
            ...columns.map((series) => html("th", { scope: "col" }, series.label))
          )
        ),
        html("tbody", {}, ...rows)
      )
    ))
  })
  return details
}
