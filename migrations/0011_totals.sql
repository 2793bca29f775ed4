-- +goose Up

-- What lateness costs, asked only of work that is late: a function with a query in
-- it takes longer, for a class of 3,000, than all the rest of its table. Both of
-- these are expressions, which the planner puts in the place of the call.
-- +goose StatementBegin
create function lost_by(unit text, percent float8, cap float8, grace integer, zero_after integer,
    due timestamptz, taken timestamptz, zone text) returns float8 language sql stable
return case when unit = '' or due is null or taken is null or taken <= due + make_interval(mins => grace) then 0
    else late_lost(unit, percent, cap, grace, zero_after, due, taken, zone) end;
-- +goose StatementEnd

-- A mark for the whole is the total: nothing is taken off it.
-- +goose StatementBegin
create function total_points(excused boolean, whole float8, earned float8, lost float8) returns float8 language sql immutable
return case when excused then null when whole is not null then whole when lost = 0 then earned
    else earned - round(earned * lost * 100) / 100 end;
-- +goose StatementEnd

-- The one place where a total is made, besides the tables that need one statement
-- for a whole class and use the two functions; course.Total has the same rules. The
-- offset keeps what is lost a value: an expression that is used thrice is not put
-- in the place of a call.
create or replace view current_totals as
select a.id as assignment_id, m.id as member_id, s.id as submission_id, k.whole, coalesce(k.excused, false) as excused,
    k.earned, coalesce(k.extra, 0) as extra, coalesce(k.most, a.points) as most, coalesce(k.needs, 0) as needs,
    coalesce(k.waiting, 0) as waiting, coalesce(k.flagged, false) as flagged, l.lost,
    case when k.excused or k.whole is not null or k.earned is null then 0 else round(k.earned * l.lost * 100) / 100 end as penalty,
    total_points(coalesce(k.excused, false), k.whole, k.earned, l.lost) as points
from assignments a
join courses c on c.id = a.course_id
join members m on m.course_id = a.course_id
left join tallies k on k.assignment_id = a.id and k.member_id = m.id
left join submissions s on s.assignment_id = a.id and s.member_id = m.id and s.counts
left join extensions e on e.assignment_id = a.id and e.member_id = m.id
cross join lateral (select lost_by(a.late_unit, a.late_percent, a.late_cap, a.late_grace, a.late_zero_after,
    coalesce(e.due_at, a.due_at), s.taken_at, c.zone) as lost offset 0) l
where m.role = 'student' and m.dropped_at is null or k.member_id is not null;
