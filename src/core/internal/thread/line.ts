/** What waits for a thread: lower numbers first, then whoever came first; what was taken back comes before all others. */
export interface Line<A> {
  readonly add: (item: A, priority: number) => void
  readonly putBack: (item: A) => void
  readonly peek: () => A | undefined
  readonly take: () => A | undefined
  readonly remove: (item: A) => boolean
  readonly size: () => number
}

export const make = <A>(): Line<A> => {
  const returned = new Set<A>()
  const lanes = new Map<number, Set<A>>()
  let priorities: Array<number> = []
  let size = 0

  const remove = (item: A) => {
    const held = returned.delete(item) || Array.from(lanes.values()).some((lane) => lane.delete(item))
    if (held) size -= 1
    return held
  }

  const front = (): { readonly items: Set<A>; readonly item: A } | undefined => {
    if (size === 0) return undefined
    for (const item of returned) return { items: returned, item }
    for (const priority of priorities) {
      const items = lanes.get(priority) ?? returned
      for (const item of items) return { items, item }
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
    peek: () => front()?.item,
    take: () => {
      const found = front()
      if (found === undefined) return undefined
      found.items.delete(found.item)
      size -= 1
      return found.item
    },
    remove,
    size: () => size
  }
}
