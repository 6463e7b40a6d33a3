/**
 * Payloads that are their own JSON form: structs of strings, numbers and booleans, as most are. They are checked and copied
 * without a step of the parser. Whatever is out of the ordinary, the Schema judges: a field too many, one of another kind,
 * one that a check refuses.
 */
import * as Predicate from "effect/Predicate"
import * as SchemaAST from "effect/SchemaAST"

/** A copy of the payload; undefined where the Schema has to say. */
export type Reader = (json: unknown) => { readonly [name: string]: string | number | boolean } | undefined

/** Of the Schema of the JSON form; undefined where its payloads are not of this kind. */
export const reader = (ast: SchemaAST.AST): Reader | undefined => {
  if (!SchemaAST.isObjects(ast) || !isBare(ast) || ast.checks !== undefined) return undefined
  if (ast.encodingChecks !== undefined || ast.indexSignatures.length > 0) return undefined
  const fields: Array<Field> = []
  for (const { name, type } of ast.propertySignatures) {
    const fits = fitting(type)
    if (typeof name !== "string" || fits === undefined) return undefined
    fields.push({ name, fits })
  }
  // a struct without fields takes any value
  return fields.length === 0 ? undefined : (json) => {
    if (!Predicate.isObject(json)) return undefined
    // what is checked is the copy: nothing inherited, no getter that says something else when it is asked again
    const copy: Readonly<Record<string, unknown>> = { ...json }
    let found = 0
    for (const _ in copy) found += 1
    if (found !== fields.length) return undefined
    for (const { fits, name } of fields) if (!fits(copy[name])) return undefined
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- as its fields were found to be
    return copy as ReturnType<Reader>
  }
}

interface Field {
  readonly name: string
  readonly fits: (value: unknown) => boolean
}

const fitting = (type: SchemaAST.AST): Field["fits"] | undefined => {
  const kind = SchemaAST.isString(type)
    ? "string"
    : SchemaAST.isNumber(type)
    ? "number"
    : SchemaAST.isBoolean(type)
    ? "boolean"
    : undefined
  if (kind === undefined || !isBare(type)) return undefined
  const filters: Array<SchemaAST.Filter<unknown>> = []
  for (const check of type.checks ?? []) {
    if (check._tag !== "Filter") return undefined
    filters.push(check)
  }
  return (value) => typeof value === kind && filters.every((filter) => filter.run(value, type, {}) === undefined)
}

/** Nothing is to be changed, filled in or left out. */
const isBare = ({ annotations, context, encoding }: SchemaAST.AST): boolean =>
  annotations === undefined && context === undefined && encoding === undefined
