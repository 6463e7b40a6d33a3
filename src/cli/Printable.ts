/**
 * What may go to a terminal: text in which nothing is obeyed.
 *
 * Names, payloads and failures come from elsewhere. A control character in them could move the cursor, rewrite earlier lines
 * or begin a new one, and a mark of direction could turn what follows around; here each is shown as its escape.
 */

// C0, DEL and C1 controls, separators of lines, and marks of direction
// oxlint-disable-next-line eslint/no-control-regex -- these are what is looked for
const obeyed = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g

/** The text on one line, with each such character as `\uXXXX`. */
export const escape = (text: string): string =>
  text.replaceAll(obeyed, (found) => `\\u${found.charCodeAt(0).toString(16).padStart(4, "0")}`)

/** At most so many characters of the text, escaped; `…` stands for what is left out. */
export const short = (text: string, most: number): string => {
  const escaped = escape(text)
  return escaped.length <= most ? escaped : `${escaped.slice(0, most - 1)}…`
}
