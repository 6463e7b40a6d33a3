/**
 * Ids of 8 bytes that sort by the time at which they were given: milliseconds since 1970, then 20 bits of which the
 * highest is 0. Ids that callers make have it set, so the two never meet.
 *
 * The sequence has no cache: a connection that held cached numbers while 2^19 others were drawn could repeat an id within
 * one millisecond.
 */
export const ids = (s: string): ReadonlyArray<string> => [
  `create sequence ${s}.job_seq as bigint`,
  `create function ${s}.new_id() returns bigint language sql volatile as
$$ select (floor(extract(epoch from clock_timestamp()) * 1000)::bigint << 20) | (nextval('${s}.job_seq') & 524287) $$`,
  // of the numbers that a statement draws the first is `low`: those after a round of the sequence are of the next
  // millisecond, so ids of one statement ascend. One expression, so that it takes no call
  `create function ${s}.id_of(at bigint, low bigint, number bigint) returns bigint language sql immutable parallel safe as
$$ select at + ((number - low) & 524287) + low + ((((number - low) & 524287) + low) & 524288) $$`,
  `create function ${s}.id_floor(t timestamptz) returns bigint language sql immutable parallel safe as
$$ select floor(extract(epoch from t) * 1000)::bigint << 20 $$`
]
