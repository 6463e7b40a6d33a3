/** What the head of a repository holds: its languages as shares of one bar, and its latest tags. */
import type { Language, Release } from "./api.ts"
import { html } from "./dom.ts"
import * as Format from "./format.ts"

const shown = 6

/** Languages by bytes; those after the sixth are summed up. */
export const languages = (list: ReadonlyArray<Language>): HTMLElement => {
  const all = list.reduce((sum, { bytes }) => sum + bytes, 0)
  const rest = list.slice(shown).reduce((sum, { bytes }) => sum + bytes, 0)
  const parts = [
    ...list.slice(0, shown).map(({ bytes, language }, index) => ({ label: language, bytes, tone: index })),
    ...(rest > 0 ? [{ label: "Other", bytes: rest, tone: shown }] : [])
  ]
  const bar = html("div", { class: "shares", "aria-hidden": "true" })
  for (const { bytes, tone } of parts) {
    const part = html("span", { class: `tone-${tone}` })
    part.style.setProperty("--share", String(bytes / all))
    bar.append(part)
  }
  return html(
    "section",
    { class: "languages" },
    html("h2", {}, "Languages"),
    bar,
    html(
      "ul",
      {},
      ...parts.map(({ bytes, label, tone }) =>
        html(
          "li",
          { class: `tone-${tone}` },
          html("span", { class: "label" }, label),
          html("span", { class: "amount", title: Format.size(bytes) }, Format.percent(bytes / all))
        )
      )
    )
  )
}

/** The newest tags, and how many there are besides. */
export const releases = (list: ReadonlyArray<Release>, count: number): HTMLElement => {
  const rest = count - list.length
  return html(
    "section",
    { class: "releases" },
    html("h2", {}, "Latest releases"),
    html(
      "ol",
      {},
      ...list.map(({ at, name }) =>
        html(
          "li",
          {},
          html("span", { class: "label", title: name }, name),
          html("time", { datetime: at }, Format.day(at.slice(0, 10)))
        )
      )
    ),
    rest > 0 ? html("p", { class: "quiet" }, `and ${Format.counted(rest, "other")}`) : null
  )
}
