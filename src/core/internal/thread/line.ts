/** What waits for a thread: lower numbers first, then whoever came first; what was taken back comes before all others. */
export interface Line<A> {
  readonly add: (item: A, priority: number) => void
  readonly putBack: (item: A) => void
  readonly take: () => A | undefined
  readonly remove: (item: A) => boolean
  readonly size: () => number
}

export const make = <A>(): Line<A> => {
  const returned = new Set<A>()
  const lanes = new Map<number, Set<A>>()
  let priorities: Array<number> = []
  let size = 0

  const takeFrom = (items: Set<A>): A | undefined => {
    for (const item of items) {
      items.delete(item)
      size -= 1
      return item
    }
    return undefined
  }

  return {
    add: (item, priority) => {
      size += 1
      const lane = lanes.get(priority)
      if (lane !== undefined) lane.add(item)
      else {
        lanes.set(priority, new Set([item]))
        priorities = Array.from(lanes.keys()).sort((a, b) => a - b)
      }
    },
    putBack: (item) => {
      size += 1
      returned.add(item)
    },
    take: () => {
      if (size === 0) return undefined
      if (returned.size > 0) return takeFrom(returned)
      for (const priority of priorities) {
        const lane = lanes.get(priority)
        const item = lane === undefined ? undefined : takeFrom(lane)
        if (item !== undefined) return item
      }
      return undefined
    },
    remove: (item) => {
      const held = returned.delete(item) || Array.from(lanes.values()).some((lane) => lane.delete(item))
      if (held) size -= 1
      return held
    },
    size: () => size
  }
}
