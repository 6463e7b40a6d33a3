/** Builds elements. Strings become text nodes and nothing is ever parsed as HTML, so data cannot become markup. */

/** What an element may contain; `null` is left out. */
export type Child = Node | string | null

/** Attributes by their names in HTML or SVG; `undefined` is left out. */
export type Attributes = Readonly<Record<string, string | number | undefined>>

/** Makes an HTML element. */
export const html = <Name extends keyof HTMLElementTagNameMap>(
  name: Name,
  attributes: Attributes = {},
  ...children: ReadonlyArray<Child>
): HTMLElementTagNameMap[Name] => fill(document.createElement(name), attributes, children)

/** Makes an SVG element. */
export const svg = <Name extends keyof SVGElementTagNameMap>(
  name: Name,
  attributes: Attributes = {},
  ...children: ReadonlyArray<Child>
): SVGElementTagNameMap[Name] =>
  fill(document.createElementNS("http://www.w3.org/2000/svg", name), attributes, children)

const fill = <E extends Element>(element: E, attributes: Attributes, children: ReadonlyArray<Child>): E => {
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== undefined) element.setAttribute(name, String(value))
  }
  element.append(...children.filter((child) => child !== null))
  return element
}
