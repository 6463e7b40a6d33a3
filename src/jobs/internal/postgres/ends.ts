/**
 * Ends of attempts as rows: what goes in one statement, and what can be stored and read back.
 */
import * as StoredText from "../../../store/StoredText.ts"
import type { JobFailure } from "../../Job.ts"
import type { End } from "../../JobStore.ts"
import * as jsonText from "./jsonText.ts"
import { type Address, addressOf } from "./TakenJob.ts"

/** Ends that go in one statement. */
export interface Group {
  readonly queueId: number
  readonly priority: number
  /** Of plain completions; null: everything else. */
  readonly epoch: number | null
  readonly history: boolean
  readonly ends: Array<End>
}

export const grouped = (ends: ReadonlyArray<End>): Iterable<Group> => {
  const groups = new Map<string, Group>()
  let last: Group | undefined
  for (const end of ends) {
    const address = addressOf(end.job)
    const epoch = isPlain(end, address) ? end.job.epoch : null
    const history = end.job.meta.forget !== true
    // most often all are of one kind
    const same = last !== undefined && last.queueId === address.queueId && last.priority === address.priority &&
      last.epoch === epoch && (epoch === null || last.history === history)
    if (last === undefined || !same) {
      const { priority, queueId } = address
      const key = `${queueId} ${priority} ${epoch} ${epoch === null || history}`
      last = groups.get(key) ?? { queueId, priority, epoch, history, ends: [] }
      groups.set(key, last)
    }
    last.ends.push(end)
  }
  return groups.values()
}

/** Columns of one end, JSON as text. */
export interface Row {
  /** c completed | f discarded | x cancelled | r retry | s snooze | h hold. */
  readonly outcome: string
  readonly output: string | null
  readonly report: string | null
  readonly cause: string | null
  readonly logs: string | null
  readonly note: string | null
}

/** A result that could not be read back discards the job, with that as its reason; other things of that size are left out. */
export const row = ({ failure, logs, note, outcome, output, report }: End): Row => {
  const result = outcome === "completed" && output !== undefined ? jsonText.stored(output) : null
  const isTooLarge = result !== null && !jsonText.fits(result)
  return {
    outcome: isTooLarge ? outcomes.discarded : outcomes[outcome],
    output: isTooLarge ? null : result,
    report: optional(report),
    cause: optional(isTooLarge ? tooLarge(result) : failure) ??
      (failure === null ? null : jsonText.stored({ ...failure, cause: "", error: undefined })),
    logs: optional(logs.length === 0 ? null : logs),
    note: note === null ? null : StoredText.text(note)
  }
}

const outcomes = { completed: "c", discarded: "f", cancelled: "x", retry: "r", snooze: "s", hold: "h" }

const isPlain = (end: End, address: Address) =>
  end.outcome === "completed" && end.output === undefined && end.report === null && end.failure === null &&
  end.logs.length === 0 && (address.flags & 7) === 0 && address.ord === address.jobId

const optional = (value: object | null): string | null => {
  const text = value === null ? null : jsonText.stored(value)
  return text === null || !jsonText.fits(text) ? null : text
}

const tooLarge = (result: string): JobFailure => ({
  kind: "failure",
  tag: "OutputTooLarge",
  message:
    `its result has ${Buffer.byteLength(result)} bytes, more than the ${jsonText.largest} that can be read back: ` +
    "store it elsewhere and return where",
  cause: ""
})
