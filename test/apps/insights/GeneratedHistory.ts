/**
 * Histories from a seed, as input of `git fast-import`: merges, renames, deletions, binary files, empty commits, several
 * roots, a mailmap, odd names and encodings, zones, tags of commits, files, trees and tags. The same seed gives the same
 * repository.
 */

/** What is generated. */
export interface Shape {
  readonly seed: number
  readonly commits: number
  readonly authors: number
}

/** A stream for `git fast-import --quiet`, in parts of some hundred commits. */
export function* stream({ authors, commits, seed }: Shape): Generator<Buffer> {
  const random = generator(seed)
  const below = (limit: number) => Math.floor(random() * limit)
  const pick = <A>(all: ReadonlyArray<A>): A => all[below(all.length)] ?? all[0]!
  const files: Array<string> = []
  let part: Array<Buffer> = []
  const put = (text: string) => part.push(Buffer.from(text, "latin1"))
  const data = (content: Buffer) => {
    put(`data ${content.length}\n`)
    part.push(content)
    put("\n")
  }

  let at = 1_200_000_000
  let side = 0
  for (let mark = 1; mark <= commits; mark++) {
    at += below(9000)
    const who = below(authors)
    const author = `${pick(names)}${who % names.length === 0 ? "" : ` ${who}`} <a${who}@${pick(hosts)}>`
    const date = `${at - below(3) * 86_400} ${pick(zones)}`
    const merging = side > 0 && below(12) === 0
    const rooted = mark > 1 && below(4000) === 0
    put(`commit refs/heads/main\nmark :${mark}\nauthor ${author} ${date}\ncommitter C <c@example.org> ${at} +0000\n`)
    data(Buffer.from(`commit ${mark}`))
    if (rooted) put(`from :${mark - 1}\n`)
    else if (merging) {
      put(`from :${mark - 1}\nmerge :${side}\n`)
      side = 0
    } else if (mark > 1) put(`from :${mark - 1}\n`)
    if (below(30) === 0 && mark > 3) side = mark - 1 - below(2)
    if (below(25) > 0) changes()
    if (mark === 20) {
      put("M 644 inline .mailmap\n")
      data(Buffer.from("Ada Lovelace <ada@example.org> <a1@one.example>\nBob <bob@example.org> <A2@one.example>\n"))
    }
    put("\n")
    if (part.length > 4000) {
      yield Buffer.concat(part)
      part = []
    }
  }
  for (let index = 1; index <= 20; index++) {
    const target = 1 + below(commits)
    if (index % 2 === 0) put(`reset refs/tags/light-${index}\nfrom :${target}\n\n`)
    else {
      put(`tag annotated-${index}\nfrom :${target}\ntagger T <t@example.org> ${1_400_000_000 + index * 86_400} +0530\n`)
      data(Buffer.from("note"))
    }
  }
  yield Buffer.concat(part)

  function changes(): void {
    for (let change = below(3); change >= 0; change--) {
      const known = files.length > 0 ? below(files.length) : -1
      const kind = below(20)
      if (known >= 0 && kind === 0) {
        put(`D ${quoted(files[known] ?? "")}\n`)
        files.splice(known, 1)
      } else if (known >= 0 && kind === 1) {
        const to = `${pick(folders)}moved-${files.length}-${below(1e9)}.ts`
        put(`R ${quoted(files[known] ?? "")} ${quoted(to)}\n`)
        files[known] = to
      } else {
        const file = known >= 0 && (kind < 16 || files.length > 100)
          ? files[known] ?? ""
          : `${pick(folders)}file-${below(1e9)}${pick(endings)}`
        if (!files.includes(file)) files.push(file)
        put(`M 644 inline ${quoted(file)}\n`)
        data(
          kind === 2
            ? Buffer.from(Array.from({ length: 40 }, () => below(256)))
            : Buffer.from(`${Array.from({ length: 1 + below(30) }, () => `line ${below(50)}`).join("\n")}\n`)
        )
      }
    }
  }
}

const names = ["Ada", "B\xf6b", "Zo\xc3\xab", "O'Neil \"Q\"", "\xe6\x9d\x8e", "Tab\tby"]
const hosts = ["one.example", "two.example"]
const zones = ["+0000", "+0530", "-0800", "+1400", "-0330"]
const folders = ["", "src/", "d\xe9ep/er/", "with space/", "node_modules/x/"]
const endings = [".ts", ".go", ".md", ".py", ".bin", ".h"]

const quoted = (file: string): string => `"${file.replaceAll("\\", "\\\\").replaceAll("\"", "\\\"")}"`

// mulberry32: small, and the same on every machine
const generator = (seed: number) => {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}
