-- +goose Up

-- What a mark says beyond its points. Every column belongs to the event: the
-- history shows who gave what, when, and why.
alter table mark_events
    add column extra         double precision not null default 0 constraint mark_events_extra check (extra >= 0),
    add column excused       boolean not null default false,   -- does not count, neither for nor against
    add column flagged       boolean not null default false,   -- somebody asks for a second look
    add column rubric        bigint[],                         -- the rubric items that were chosen; null is none
    add column by_rubric     boolean not null default false,   -- the points follow the rubric; else they were typed
    add column submission_id bigint references submissions,    -- the work that was looked at
    add column together_with bigint references mark_events,    -- given at once to an identical answer
    add column apart         boolean not null default false;   -- taken out of such a group
alter table mark_events drop constraint mark_events_source;
alter table mark_events add constraint mark_events_source check (source in ('hand', 'csv', 'auto', 'rubric'));

-- The latest event of each question, so that nobody has to look for it. Only the
-- trigger below writes here.
create table mark_heads (
    assignment_id bigint not null references assignments,
    notebook      text not null,
    question      text not null,
    member_id     bigint not null references members,
    event_id      bigint not null references mark_events,
    points        double precision,
    extra         double precision not null,
    excused       boolean not null,
    flagged       boolean not null,
    rubric        bigint[],
    by_rubric     boolean not null,
    submission_id bigint,
    primary key (assignment_id, notebook, question, member_id)
);
create index mark_heads_member on mark_heads (member_id, assignment_id);

-- +goose StatementBegin
create function follow_marks() returns trigger language plpgsql as $$
begin
    insert into mark_heads as h (assignment_id, notebook, question, member_id, event_id, points, extra, excused, flagged, rubric, by_rubric, submission_id)
    select distinct on (assignment_id, notebook, question, member_id)
        assignment_id, notebook, question, member_id, id, points, extra, excused, flagged, rubric, by_rubric, submission_id
    from fresh order by assignment_id, notebook, question, member_id, id desc
    on conflict (assignment_id, notebook, question, member_id) do update set event_id = excluded.event_id,
        points = excluded.points, extra = excluded.extra, excused = excluded.excused, flagged = excluded.flagged,
        rubric = excluded.rubric, by_rubric = excluded.by_rubric, submission_id = excluded.submission_id
    where h.event_id < excluded.event_id;
    return null;
end $$;
-- +goose StatementEnd
create trigger mark_events_heads after insert on mark_events
    referencing new table as fresh for each statement execute function follow_marks();

insert into mark_heads (assignment_id, notebook, question, member_id, event_id, points, extra, excused, flagged, rubric, by_rubric, submission_id)
select distinct on (assignment_id, notebook, question, member_id)
    assignment_id, notebook, question, member_id, id, points, extra, excused, flagged, rubric, by_rubric, submission_id
from mark_events order by assignment_id, notebook, question, member_id, id desc;

-- A number for each student's work, drawn at random when it first comes in. Its
-- order is the order of grading, the same for every grader, and tells nothing
-- about who wrote it.
create table papers (
    assignment_id bigint not null references assignments,
    number        integer not null,
    member_id     bigint not null references members,
    primary key (assignment_id, number),
    constraint papers_once unique (assignment_id, member_id)
);

-- +goose StatementBegin
create function draw_paper(a bigint, m bigint) returns void language plpgsql as $$
declare
    try integer := 0;
begin
    while not exists (select from papers where assignment_id = a and member_id = m) loop
        try := try + 1;
        -- Five digits are easy to say; a crowd that fills them gets longer ones.
        insert into papers (assignment_id, member_id, number) values (a, m,
            case when try < 50 then 10000 + floor(random() * 90000) else 100000 + floor(random() * 2000000000) end::integer)
        on conflict do nothing;
    end loop;
end $$;
-- +goose StatementEnd
-- +goose StatementBegin
create function give_paper() returns trigger language plpgsql as $$
begin
    perform draw_paper(new.assignment_id, new.member_id);
    return null;
end $$;
-- +goose StatementEnd
create trigger submissions_paper after insert on submissions for each row execute function give_paper();
select draw_paper(assignment_id, member_id) from (select distinct assignment_id, member_id from submissions) s;

-- Who reads which answer just now. It runs out by itself.
create table grading_leases (
    assignment_id bigint not null references assignments on delete cascade,
    notebook      text not null,
    question      text not null,
    member_id     bigint not null references members on delete cascade,
    user_id       bigint not null references users on delete cascade,
    expires_at    timestamptz not null,
    primary key (assignment_id, notebook, question, member_id)
);
create index grading_leases_user on grading_leases (user_id);

-- How a question is marked. Questions come anew with each release; their rubric stays.
create table rubrics (
    assignment_id bigint not null references assignments on delete cascade,
    notebook      text not null,
    question      text not null,
    mode          text not null default 'add' constraint rubrics_mode check (mode in ('add', 'deduct')),
    primary key (assignment_id, notebook, question)
);
create table rubric_items (
    id            bigint generated always as identity primary key,
    assignment_id bigint not null,
    notebook      text not null,
    question      text not null,
    text          text not null,
    points        double precision not null,
    created_by    bigint references users,
    deleted_at    timestamptz,               -- its text stays for the history
    foreign key (assignment_id, notebook, question) references rubrics on delete cascade
);
create index rubric_items_question on rubric_items (assignment_id, notebook, question, id);

-- Comments to be used again, by everybody who grades the question.
create table saved_comments (
    id            bigint generated always as identity primary key,
    assignment_id bigint not null references assignments on delete cascade,
    notebook      text not null,
    question      text not null,
    text          text not null,
    created_by    bigint references users,
    constraint saved_comments_once unique (assignment_id, notebook, question, text)
);

-- Hashes of answers that no run has hashed.
create table answer_hashes (
    submission_id bigint not null references submissions on delete cascade,
    notebook      text not null,
    question      text not null,
    hash          text not null,
    primary key (submission_id, notebook, question)
);

-- What lateness costs: for each begun hour or day after the grace period a share
-- of what was earned, up to the cap; everything from some number of them on.
alter table assignments
    add column late_unit       text not null default '' constraint assignments_late_unit check (late_unit in ('', 'hour', 'day')),
    add column late_percent    double precision not null default 0 constraint assignments_late_percent check (late_percent between 0 and 100),
    add column late_cap        double precision not null default 100 constraint assignments_late_cap check (late_cap between 0 and 100),
    add column late_grace      integer not null default 0 constraint assignments_late_grace check (late_grace between 0 and 100000),  -- minutes
    add column late_zero_after integer constraint assignments_late_zero check (late_zero_after between 0 and 100000);

-- The share that is lost, as course.LateRule computes it: hours are hours, days
-- are days of the calendar where the course is.
create function late_lost(unit text, percent float8, cap float8, grace integer, zero_after integer,
    due timestamptz, taken timestamptz, zone text) returns float8 language sql stable as $$
    select case
        when unit = '' or due is null or taken is null or taken <= due + make_interval(mins => grace) then 0::float8
        else (select case when n > zero_after then 1::float8 else least(cap, n * percent) / 100 end
            from (select greatest(1, ceil(case unit
                when 'hour' then extract(epoch from taken - due - make_interval(mins => grace)) / 3600
                else extract(epoch from (taken at time zone zone) - ((due + make_interval(mins => grace)) at time zone zone)) / 86400
            end))::float8 as n) units)
        end
$$;

-- Every question of every student with its mark as it stands: what a person gave,
-- else what the tests of the run in effect did.
create view grade_cells as
select q.assignment_id, m.id as member_id, p.number, q.notebook, q.grade_id as question, q.kind, q.position, q.points as max,
    s.id as submission_id, r.id as run_id, x.points as auto, coalesce(nullif(x.answer_hash, ''), ah.hash) as answer_hash,
    coalesce(x.no_response, false) as no_response, h.event_id, h.points as given, coalesce(h.extra, 0) as extra,
    coalesce(h.excused, false) as excused, coalesce(h.points, x.points) as points,
    coalesce(h.flagged, false) or coalesce(cardinality(x.flags) > 0, false) as flagged,
    case
        when h.excused then 'excused'
        when h.points is not null and h.submission_id <> s.id then 'stale'
        when h.points <> x.points then 'overridden'
        when h.points is not null then 'marked'
        when s.id is null then 'missing'
        when x.points >= q.points then 'auto'
        when x.points is not null then 'failed'
        when x.run_id is not null or q.kind <> 'tests' then 'needs'
        else 'waiting'
    end as state
from questions q
join assignments a on a.id = q.assignment_id
join members m on m.course_id = a.course_id
left join submissions s on s.assignment_id = q.assignment_id and s.member_id = m.id and s.counts
left join papers p on p.assignment_id = q.assignment_id and p.member_id = m.id
left join runs r on r.submission_id = s.id and r.effective
left join run_results x on x.run_id = r.id and x.notebook = q.notebook and x.question = q.grade_id
left join mark_heads h on h.assignment_id = q.assignment_id and h.notebook = q.notebook and h.question = q.grade_id and h.member_id = m.id
left join answer_hashes ah on ah.submission_id = s.id and ah.notebook = q.notebook and ah.question = q.grade_id
where q.points > 0 and q.kind in ('tests', 'manual', 'task') and (m.role = 'student' and m.dropped_at is null or s.id is not null);

-- What it comes to, for every student of every assignment. This is the one place
-- where a total is made; see course.Total. A mark for the whole, if there is one,
-- is the total: nothing is taken off it.
create view current_totals as
select t.assignment_id, t.member_id, t.submission_id, t.whole, t.earned, t.extra, t.most, t.needs, t.waiting, t.flagged, t.excused, t.lost,
    case when t.excused or t.whole is not null or t.earned is null then 0 else round(t.earned * t.lost * 100) / 100 end as penalty,
    case when t.excused then null when t.whole is not null then t.whole
        else t.earned - round(t.earned * t.lost * 100) / 100 end as points
from (
    select a.id as assignment_id, m.id as member_id, s.id as submission_id, w.points as whole, coalesce(w.excused, false) as excused,
        k.earned, coalesce(k.extra, 0) as extra, coalesce(k.most, a.points) as most, coalesce(k.needs, 0) as needs, coalesce(k.waiting, 0) as waiting,
        coalesce(k.flagged, false) as flagged,
        late_lost(a.late_unit, a.late_percent, a.late_cap, a.late_grace, a.late_zero_after, coalesce(e.due_at, a.due_at), s.taken_at, c.zone) as lost
    from assignments a
    join courses c on c.id = a.course_id
    join members m on m.course_id = a.course_id
    left join submissions s on s.assignment_id = a.id and s.member_id = m.id and s.counts
    left join extensions e on e.assignment_id = a.id and e.member_id = m.id
    left join mark_heads w on w.assignment_id = a.id and w.notebook = '' and w.question = '' and w.member_id = m.id
    left join (
        select assignment_id, member_id,
            sum(points + extra) filter (where not excused) as earned,
            sum(extra) filter (where not excused and points is not null) as extra,
            coalesce(sum(max) filter (where not excused), 0) as most,
            count(*) filter (where state in ('needs', 'stale')) as needs,
            count(*) filter (where state = 'waiting') as waiting,
            bool_or(flagged) as flagged
        from grade_cells group by 1, 2) k on k.assignment_id = a.id and k.member_id = m.id
    where m.role = 'student' and m.dropped_at is null or s.id is not null or w.event_id is not null
) t;

-- What the student was returned stays as it was, whatever is changed since.
alter table feedbacks
    add column returned_points double precision,
    add column returned_most   double precision;
update feedbacks f set returned_most = a.points, returned_points = (
    select sum(points) from (select distinct on (notebook, question) points from mark_events e
        where e.assignment_id = f.assignment_id and e.member_id = f.member_id and e.id <= f.marks_upto
        order by notebook, question, id desc) latest)
from assignments a where a.id = f.assignment_id and f.returned_at is not null;
