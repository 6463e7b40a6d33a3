/**
 * Tells the planner what the tables that are cut by day look like as a whole: the server does so for each day by itself,
 * and never for all of them. Runs as the owner, because only that may.
 */
import { daily } from "./tables.ts"

export const analyze = (s: string): ReadonlyArray<string> => [
  `create function ${s}.analyze_days(p_table text) returns void language plpgsql
  security definer set search_path = pg_catalog, pg_temp as $$
begin
${daily.map(([table]) => `  if p_table = '${table}' then analyze ${s}.${table}; end if;`).join("\n")}
end $$`
]
