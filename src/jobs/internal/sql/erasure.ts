/**
 * Who had payloads erased, when and why: written with each erasure, never changed.
 */
export const erasure = (s: string): ReadonlyArray<string> => [
  `create table ${s}.erasure (
  id bigint generated always as identity primary key, at timestamptz not null default now(),
  actor text, reason text, count bigint not null, jobs bigint[] not null
)`
]
