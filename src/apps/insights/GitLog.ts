/**
 * Reads the byte stream of `git log -z --numstat` with the format below, in pieces of any size.
 *
 * Nothing is kept between commits. Names and e-mails are handed over as bytes, one character for each, because two
 * people whose names differ only in bytes that are not UTF-8 are two people to git as well. Paths, which may hold any
 * byte except NUL, are skipped by counting fields and never searched. At most 16 KiB of any field is held.
 */

/** The value of `--format` that the reader expects, together with `-z --numstat`. */
export const format = "commit %ad%x00%aN%x00%aE"

/** Called in the order of the stream. */
export interface Visitor {
  /** A commit begins. The date is as `--date` asked for. Name and e-mail are byte strings: one character, U+0000 to U+00FF, for each byte. */
  readonly commit: (date: string, name: string, email: string) => void
  /** Lines of one file of the commit that began last; binary files count 0. */
  readonly lines: (additions: number, deletions: number) => void
}

/** A reader of one stream. */
export interface Reader {
  readonly push: (bytes: Uint8Array) => void
  /** Ends the stream; `false` when it was cut off or did not have the expected form. */
  readonly end: () => boolean
}

/** Makes a reader that calls `visitor` for one stream. */
export const reader = (visitor: Visitor): Reader => {
  let held = empty
  let well = true
  let state: "date" | "name" | "email" | "files" = "date"
  let pathsToSkip = 0
  let date = ""
  let name = ""

  const onFile = (field: Uint8Array): void => {
    let column = 0
    let value = 0
    let additions = 0
    for (let index = 0; index < field.length; index++) {
      const byte = field[index]
      if (byte === tab) {
        if (column === 1) {
          visitor.lines(additions, value)
          // a rename has an empty path here; its two paths follow as fields of their own
          pathsToSkip = index + 1 === field.length ? 2 : 0
          return
        }
        additions = value
        value = 0
        column = 1
      } else if (byte !== undefined && byte >= zero && byte <= nine) {
        value = value * 10 + (byte - zero)
      } else if (byte !== hyphen) {
        break
      }
    }
    well = false
  }

  const onField = (whole: Uint8Array): void => {
    if (pathsToSkip > 0) {
      pathsToSkip -= 1
      return
    }
    const field = whole[0] === lineFeed ? whole.subarray(1) : whole
    switch (state) {
      case "name":
        name = byteString(whole)
        state = "email"
        return
      case "email":
        visitor.commit(date, name, byteString(whole))
        state = "files"
        return
      default:
        if (field.length === 0) return
        if (field[0] !== letterC) return state === "files" ? onFile(field) : void (well = false)
        date = byteString(field.subarray("commit ".length))
        state = "name"
    }
  }

  return {
    push: (bytes) => {
      let start = 0
      for (let stop = bytes.indexOf(0); stop !== -1; stop = bytes.indexOf(0, start)) {
        onField(join(held, bytes.subarray(start, stop)))
        held = empty
        start = stop + 1
      }
      if (start < bytes.length) held = join(held, bytes.subarray(start)).slice()
    },
    end: () => {
      if (held.length > 0) onField(held)
      held = empty
      return well && pathsToSkip === 0 && (state === "files" || state === "date")
    }
  }
}

const empty = new Uint8Array(0)
const fieldLimit = 16_384
const [lineFeed, tab, hyphen, zero, nine, letterC] = [10, 9, 45, 48, 57, 99]

const join = (held: Uint8Array, more: Uint8Array): Uint8Array => {
  if (held.length === 0) return more.subarray(0, fieldLimit)
  const room = Math.min(more.length, fieldLimit - held.length)
  const whole = new Uint8Array(held.length + room)
  whole.set(held)
  whole.set(more.subarray(0, room), held.length)
  return whole
}

const byteString = (bytes: Uint8Array): string => String.fromCharCode(...bytes)
