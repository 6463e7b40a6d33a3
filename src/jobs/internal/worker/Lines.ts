/** The newest lines of an attempt, bounded in number and size. */
import type { LogLine } from "../../../core/TaskRun.ts"

/** Lines and characters kept of an attempt. */
const bounds = { lines: 200, characters: 65_536 }

export class Lines {
  readonly lines: Array<LogLine> = []
  private characters = 0

  push(line: LogLine): void {
    this.lines.push(line)
    this.characters += line.message.length
    while (this.lines.length > bounds.lines || this.characters > bounds.characters) {
      this.characters -= this.lines.shift()?.message.length ?? 0
    }
  }
}
