/**
 * Holds what the processes wrote against the rows of the database and against what was done to them.
 *
 * Pure. Who wrote a line was there when it happened, so neither the word of a worker nor that of the database is taken
 * alone: what was acknowledged must be there, what is there must have been asked for, and what is called completed must
 * have been done.
 */
import type { Life } from "../processes.ts"
import { type Cause, causeOf, type Dealt, diedOfPoison, lossOf } from "./causes.ts"
import { isPoison, type Line, type LineOf, type Row } from "./model.ts"
import { type Held, type Rescues, rescues } from "./rescue.ts"

/** The whole story of a seed. */
export interface History {
  readonly lines: ReadonlyArray<Line>
  readonly rows: ReadonlyArray<Row>
  /** Keys of the rows of the table of effects, each as often as it is there. */
  readonly effects: ReadonlyArray<string>
  readonly lives: ReadonlyArray<Life>
  readonly dealt: Dealt
}

/** What came of it. Lists name what breaks a promise, and are empty otherwise. */
export interface Verdict {
  readonly acked: number
  readonly done: number
  readonly discarded: number
  /** Acknowledged, and not in the database. */
  readonly lost: ReadonlyArray<string>
  /** Not ended when all was over. */
  readonly live: ReadonlyArray<string>
  /** In the database though its transaction was rolled back, or nobody asked for it. */
  readonly ghosts: ReadonlyArray<string>
  /** More than one row for what was asked for once. */
  readonly twice: ReadonlyArray<string>
  readonly starts: number
  /** Starts after the first of their job, by what explains them. */
  readonly explained: Readonly<Record<Cause, number>>
  readonly unexplained: ReadonlyArray<string>
  /** Writes of attempts that were over for the database, and refused. */
  readonly fenced: number
  /** The same, and not refused. */
  readonly unfenced: ReadonlyArray<string>
  /** Completed jobs whose effect commits with the completion, and their effects. */
  readonly transactional: number
  readonly effects: number
  /** Their effect is missing, or is there more than once, or without the completion. */
  readonly wrongEffects: ReadonlyArray<string>
  /** Called completed, and nobody did it. */
  readonly unworked: ReadonlyArray<string>
  /** Most processes that one poison job ended. */
  readonly deaths: number
  /** Poison that was not discarded after three deaths at most, and good jobs that were and are not unlucky. */
  readonly misjudged: ReadonlyArray<string>
  /**
   * Good jobs that were discarded since their third worker was killed while it ran nothing else, or was stopped meanwhile and
   * all of its connections closed.
   */
  readonly unlucky: number
  readonly rescues: Rescues
}

/** Judges a history. */
export const check = ({ dealt, effects, lines, lives, rows }: History): Verdict => {
  const of = <Op extends Line["op"]>(op: Op) => lines.filter((line): line is LineOf<Op> => line.op === op)
  const byName = new Map(lives.map((life) => [life.name, life]))
  const acks = new Map(of("ack").map(({ id, key }) => [key, id]))
  const undone = new Set(of("undone").map(({ key }) => key))
  const tried = new Set(of("try").map(({ key }) => key))
  const rowsOf = Map.groupBy(rows, ({ payload }) => payload.key)
  const byId = new Map(rows.map((row) => [row.id, row]))
  const name = ({ id, payload }: Row) => `${payload.key} (${payload.kind}, job ${id})`
  const completed = rows.filter(({ state }) => state === "completed")
  const discarded = rows.filter(({ state }) => state === "discarded")

  const starts = Map.groupBy(of("start"), ({ id }) => id)
  const ends = new Map(of("end").map((end) => [`${end.id} ${end.epoch} ${end.proc}`, end]))
  const endOf = ({ epoch, id, proc }: LineOf<"start">) => ends.get(`${id} ${epoch} ${proc}`)
  const claimTimes = new Map(of("claim").map(({ at, epoch, id }) => [`${id} ${epoch}`, at]))
  const claimedAt = ({ at, epoch, id }: LineOf<"start">) => claimTimes.get(`${id} ${epoch}`) ?? at
  const explained: Record<Cause, number> = { retry: 0, outage: 0, kill: 0, poison: 0, stop: 0, hole: 0 }
  const unexplained: Array<string> = []
  for (const [id, all] of starts) {
    const ordered = all.toSorted((a, b) => a.epoch - b.epoch || a.at - b.at)
    ordered.slice(1).forEach((next, n) => {
      const before = ordered[n]!
      const cause = next.epoch === before.epoch
        ? undefined
        : causeOf(claimedAt(before), endOf(before), next.at, byName.get(before.proc), dealt)
      if (cause === undefined) {
        const how = endOf(before)
        unexplained.push(
          `${before.key} (job ${id}): epoch ${before.epoch} at ${before.proc} ${how?.how ?? "did not end"}` +
            `${how?.detail === undefined ? "" : ` (${how.detail})`}, then epoch ${next.epoch} at ${next.proc}`
        )
      } else explained[cause] += 1
    })
  }

  const claims = Map.groupBy(of("claim"), ({ id }) => id)
  const finishes = Map.groupBy(of("finish"), ({ id }) => id)
  const held = Array.from(claims, ([id, all]): Held => ({
    claims: all.toSorted((a, b) => a.epoch - b.epoch),
    finishes: finishes.get(id) ?? []
  }))

  const good = discarded.filter(({ payload }) => !isPoison(payload.kind))
  // its process was killed from outside while it ran alone, or stopped and all connections closed: nothing tells that from
  // poison
  const isUnlucky = ({ id }: Row) => {
    const last = claims.get(id)?.toSorted((a, b) => a.epoch - b.epoch).at(-1)
    const begun = starts.get(id)?.find(({ epoch }) => epoch === last?.epoch)
    const life = byName.get(begun?.proc ?? "")
    const isDecided = finishes.get(id)?.some(({ accepted, epoch }) => accepted && epoch === begun?.epoch) === true
    if (isDecided || begun === undefined || life === undefined) return false
    const isKilled = life.end?.by === "kill" && life.end.at >= begun.at
    return isKilled ||
      life.stops.some(({ from, until }) =>
        dealt.cuts.some(({ at, isWhole, place }) =>
          isWhole === true && place === life.place && at >= Math.max(from, begun.at) && at <= until
        )
      )
  }

  const effectsOf = Map.groupBy(effects, (key) => key)
  const transactional = completed.filter(({ payload }) => payload.tx)
  const isOwed = new Set(transactional.map(({ payload }) => payload.key))
  const worked = new Set(of("end").filter(({ how }) => how === "done").map(({ epoch, id }) => `${id} ${epoch}`))
  // a completion that was committed in a transaction is there already when it is recorded
  const isRepeated = ({ epoch, id }: LineOf<"finish">) =>
    byId.get(id)?.payload.tx === true && worked.has(`${id} ${epoch}`)
  const poisonDeaths = deathsOf(rows, starts, endOf, byName)

  return {
    acked: acks.size,
    done: completed.length,
    discarded: discarded.length,
    lost: Array.from(acks).filter(([, id]) => !byId.has(id)).map(([key, id]) => `${key} (job ${id})`),
    live: rows.filter(({ state }) => !ended.has(state)).map((row) => `${name(row)} is ${row.state}`),
    ghosts: rows.filter(({ payload: { key } }) => undone.has(key) || !tried.has(key)).map(name),
    twice: Array.from(rowsOf).filter(([, same]) => same.length > 1).map(([key]) => key),
    starts: of("start").length,
    explained,
    unexplained,
    fenced: of("finish").filter((finish) => !finish.accepted && !isRepeated(finish)).length +
      of("end").filter(({ how }) => how === "fenced").length,
    unfenced: held.flatMap((job) => lateWrites(job, byId.get(job.claims[0]!.id))),
    transactional: transactional.length,
    effects: effects.length,
    wrongEffects: [
      ...transactional.filter(({ payload }) => effectsOf.get(payload.key)?.length !== 1)
        .map((row) => `${name(row)} has ${effectsOf.get(row.payload.key)?.length ?? 0}`),
      ...Array.from(effectsOf.keys()).filter((key) => !isOwed.has(key)).map((key) => `${key} is not completed`)
    ],
    unworked: completed.filter(({ epoch, id, payload }) => !payload.tx && !worked.has(`${id} ${epoch}`)).map(name),
    deaths: Math.max(0, ...poisonDeaths.values()),
    misjudged: [
      ...rows.filter(({ payload, state }) => isPoison(payload.kind) && ended.has(state) && state !== "discarded")
        .map((row) => `${name(row)} is ${row.state}`),
      ...rows.filter(({ id }) => (poisonDeaths.get(id) ?? 0) > 3)
        .map((row) => `${name(row)} ended ${poisonDeaths.get(row.id)} processes`),
      ...good.filter((row) => !isUnlucky(row)).map((row) =>
        `${name(row)} was discarded: ${lossesOf(claims.get(row.id) ?? [], byName, dealt).join(", ")}`
      )
    ],
    unlucky: good.filter(isUnlucky).length,
    rescues: rescues(held, byName, dealt)
  }
}

const ended = new Set(["completed", "discarded", "cancelled"])

/** Whether nothing was lost, made up, written late or done twice where that is promised, whatever the times. */
export const isSafe = (verdict: Verdict): boolean =>
  [
    verdict.lost,
    verdict.live,
    verdict.ghosts,
    verdict.twice,
    verdict.unfenced,
    verdict.wrongEffects,
    verdict.unworked
  ].every((list) => list.length === 0)

/** Whether no promise was broken, whatever the times. */
export const isKept = (verdict: Verdict): boolean =>
  isSafe(verdict) && verdict.unexplained.length === 0 && verdict.misjudged.length === 0

// writes that were taken though a newer attempt had the job, or had ended it
const lateWrites = ({ claims, finishes }: Held, row: Row | undefined): ReadonlyArray<string> =>
  finishes.filter(({ accepted, at, epoch, outcome }) =>
    accepted && (
      claims.some((claim) => claim.epoch > epoch && claim.at < at) ||
      (row !== undefined && ended.has(outcome) && row.epoch !== epoch)
    )
  ).map(({ epoch, id, outcome, proc }) =>
    `${proc} ended epoch ${epoch} of job ${id} as ${outcome}, ${row?.epoch ?? "none"} is the epoch that ended it`
  )

// who had claimed a job and lost it, and how
const lossesOf = (
  claims: ReadonlyArray<LineOf<"claim">>,
  lives: ReadonlyMap<string, Life>,
  dealt: Dealt
): ReadonlyArray<string> => {
  const ordered = claims.toSorted((a, b) => a.epoch - b.epoch)
  return ordered.flatMap((claim, n) => {
    const next = ordered[n + 1]
    // what was given back is claimed with the next epoch, what was taken back with the one after
    if (next !== undefined && next.epoch === claim.epoch + 1) return []
    const life = lives.get(claim.proc)
    const until = next?.at ?? Number.POSITIVE_INFINITY
    const loss = life === undefined ? undefined : lossOf(life, dealt, { from: claim.at, until })
    return [`epoch ${claim.epoch} with ${claim.proc} by ${loss?.cause ?? "nothing that was dealt"}`]
  })
}

// which processes each poison job ended: it was the one that ran there when they died of poison
const deathsOf = (
  rows: ReadonlyArray<Row>,
  starts: ReadonlyMap<string, ReadonlyArray<LineOf<"start">>>,
  endOf: (start: LineOf<"start">) => LineOf<"end"> | undefined,
  lives: ReadonlyMap<string, Life>
): ReadonlyMap<string, number> =>
  new Map(
    rows.filter(({ payload }) => isPoison(payload.kind)).map(({ id }) => [
      id,
      (starts.get(id) ?? []).filter((start) => {
        const life = lives.get(start.proc)
        return endOf(start) === undefined && life !== undefined && diedOfPoison(life)
      }).length
    ])
  )
