/**
 * names: numbers of queues and tasks, made where they are not known, in the order of the names so that two callers do not
 * wait in a circle. A null task asks for the queue alone.
 */
export const names = (s: string): ReadonlyArray<string> => [
  `create function ${s}.names(p_queue text[], p_task text[])
returns table (queue text, queue_id int, task text, task_id int) language plpgsql as $$
#variable_conflict use_column
begin
insert into ${s}.queue(name) select distinct n from unnest(p_queue) n
where not exists (select from ${s}.queue q where q.name = n) order by n on conflict do nothing;
insert into ${s}.task(name) select distinct n from unnest(p_task) n
where n is not null and not exists (select from ${s}.task t where t.name = n) order by n on conflict do nothing;
insert into ${s}.queue_task(queue_id, task_id)
select distinct q.id, t.id from unnest(p_queue, p_task) x(queue, task)
join ${s}.queue q on q.name = x.queue join ${s}.task t on t.name = x.task
where not exists (select from ${s}.queue_task p where p.queue_id = q.id and p.task_id = t.id)
order by 1, 2 on conflict do nothing;
return query select x.queue, q.id, x.task, t.id from unnest(p_queue, p_task) x(queue, task)
join ${s}.queue q on q.name = x.queue left join ${s}.task t on t.name = x.task;
end $$`
]
