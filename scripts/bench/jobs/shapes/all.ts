/** Every shape of the suite, and the lookup by name that a child process needs. */
import { guideShapes } from "./kinds/guide.ts"
import { prototypes } from "./kinds/prototypes.ts"
import { roomShapes } from "./kinds/room.ts"
import type { Shape } from "./Shape.ts"

/** All shapes, in the order of the table. */
export const shapes: ReadonlyArray<Shape> = [...roomShapes, ...guideShapes, ...prototypes]

/** The shape with this name. */
export const shapeNamed = (name: string): Shape => {
  const shape = shapes.find((candidate) => candidate.name === name)
  if (shape === undefined) throw new Error(`no shape is called ${name}`)
  return shape
}
