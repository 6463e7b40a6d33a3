/**
 * Who sleeps until when, the earliest first: a heap. Those who left it early are passed over.
 */

/** Whether a sleeper wakes with the instant, or when those who did have nothing left to do. */
export type Turn = "first" | "last"

interface Sleeper<out A> {
  readonly at: number
  readonly turn: Turn
  readonly value: A
}

export interface Sleepers<A> {
  /** Gives what takes it out again. */
  readonly add: (sleeper: Sleeper<A>) => () => void
  readonly next: () => number | undefined
  /** All that wake together next, in the order in which they were added. */
  readonly takeNext: () => ReadonlyArray<Sleeper<A>>
}

interface Entry<out A> extends Sleeper<A> {
  readonly order: number
  gone: boolean
}

export const make = <A>(): Sleepers<A> => {
  const heap: Array<Entry<A>> = []
  let added = 0

  const swap = (one: number, other: number) => {
    const [a, b] = [heap[one], heap[other]]
    if (a === undefined || b === undefined) return
    heap[one] = b
    heap[other] = a
  }
  const isBefore = (one: number, other: number) => {
    const [a, b] = [heap[one], heap[other]]
    return a !== undefined && b !== undefined && compare(a, b) < 0
  }
  const up = (at: number): void => {
    const parent = (at - 1) >> 1
    if (at === 0 || !isBefore(at, parent)) return
    swap(at, parent)
    up(parent)
  }
  const down = (at: number): void => {
    const left = 2 * at + 1
    const least = isBefore(left + 1, left) ? left + 1 : left
    if (!isBefore(least, at)) return
    swap(at, least)
    down(least)
  }
  const removeFirst = () => {
    const [first] = heap
    const last = heap.pop()
    if (last !== undefined && heap.length > 0) {
      heap[0] = last
      down(0)
    }
    return first
  }
  const first = () => {
    while (heap[0]?.gone === true) removeFirst()
    return heap[0]
  }

  return {
    add: (sleeper) => {
      const entry = { ...sleeper, order: added++, gone: false }
      heap.push(entry)
      up(heap.length - 1)
      return () => {
        entry.gone = true
      }
    },
    next: () => first()?.at,
    takeNext: () => {
      const woken: Array<Entry<A>> = []
      for (let entry = first(); entry !== undefined; entry = first()) {
        if (woken[0] !== undefined && (entry.at !== woken[0].at || entry.turn !== woken[0].turn)) break
        woken.push(entry)
        removeFirst()
      }
      return woken
    }
  }
}

const compare = (a: Entry<unknown>, b: Entry<unknown>) =>
  a.at - b.at || (a.turn === b.turn ? a.order - b.order : a.turn === "first" ? -1 : 1)
