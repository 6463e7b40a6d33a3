/**
 * A binary heap whose members know their place in it: the first one, adding and removing any one cost O(log n).
 *
 * A member is in one heap at a time, and in none where its slot is -1.
 */
export interface Slotted {
  slot: number
}

export interface Heap<A extends Slotted> {
  readonly size: () => number
  readonly peek: () => A | undefined
  readonly push: (member: A) => void
  readonly pop: () => A | undefined
  /** Does nothing where it is in no heap. */
  readonly remove: (member: A) => void
  /** Gives what puts back who is in it; their slots are put back with them. */
  readonly snapshot: () => () => void
  readonly clear: () => void
  /** In no order. */
  readonly members: Iterable<A>
}

export const make = <A extends Slotted>(isBefore: (a: A, b: A) => boolean): Heap<A> => {
  const members: Array<A> = []
  const set = (slot: number, member: A) => {
    members[slot] = member
    member.slot = slot
  }
  const rise = (member: A, from: number) => {
    let slot = from
    while (slot > 0) {
      const above = (slot - 1) >> 1
      const parent = members[above]
      if (parent === undefined || !isBefore(member, parent)) break
      set(slot, parent)
      slot = above
    }
    set(slot, member)
  }
  const sink = (member: A, from: number) => {
    let slot = from
    while (true) {
      const left = members[2 * slot + 1]
      const right = members[2 * slot + 2]
      const child = right !== undefined && left !== undefined && isBefore(right, left) ? right : left
      if (child === undefined || !isBefore(child, member)) break
      const below = child.slot
      set(slot, child)
      slot = below
    }
    set(slot, member)
  }
  const remove = (member: A) => {
    const { slot } = member
    if (slot < 0) return
    member.slot = -1
    const last = members.pop()
    if (last === undefined || last === member) return
    rise(last, slot)
    sink(last, last.slot)
  }
  return {
    size: () => members.length,
    peek: () => members[0],
    push: (member) => rise(member, members.length),
    pop: () => {
      const [first] = members
      if (first !== undefined) remove(first)
      return first
    },
    remove,
    snapshot: () => {
      const saved = [...members]
      return () => {
        members.length = 0
        for (const member of saved) members.push(member)
      }
    },
    clear: () => void members.splice(0),
    members
  }
}
