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
            case when try < 50 then 10000 + floor(random() * 90000) else 100000 + floor(random() * 900000) end::integer)
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

-- Every question of every student who handed in or was marked, as it follows from
-- what was recorded: what a person gave last, else what the tests of the run in
-- effect did. Each lookup is a lateral one, by index, because statistics know
-- nothing of an assignment that is just being handed in. Slow for a class;
-- grade_cells holds the same.
create view grade_source as
select q.assignment_id, q.notebook, q.grade_id as question, m.id as member_id, p.number, q.kind, q.position, q.points as max,
    s.id as submission_id, r.id as run_id, x.points as auto, coalesce(nullif(x.answer_hash, ''), ah.hash) as answer_hash,
    coalesce(x.no_response, false) as no_response, e.id as event_id, e.points as given, coalesce(e.extra, 0) as extra,
    coalesce(e.excused, false) as excused, coalesce(e.points, x.points) as points,
    coalesce(e.flagged, false) or coalesce(cardinality(x.flags) > 0, false) as flagged,
    coalesce(e.rubric, '{}') as rubric, coalesce(e.by_rubric, false) as by_rubric,
    case
        when e.excused then 'excused'
        when e.points is not null and e.submission_id <> s.id then 'stale'
        when e.points <> x.points then 'overridden'
        when e.points is not null then 'marked'
        when s.id is null then 'missing'
        when x.points >= q.points then 'auto'
        when x.points is not null then 'failed'
        when x.run_id is not null or q.kind <> 'tests' then 'needs'
        else 'waiting'
    end as state
from assignments a
join members m on m.course_id = a.course_id
left join lateral (select id from submissions l where l.assignment_id = a.id and l.member_id = m.id and l.counts limit 1) s on true
left join papers p on p.assignment_id = a.id and p.member_id = m.id
left join lateral (select id from runs l where l.submission_id = s.id and l.effective limit 1) r on true
join questions q on q.assignment_id = a.id and q.points > 0 and q.kind in ('tests', 'manual', 'task')
left join lateral (select * from run_results l where l.run_id = r.id and l.notebook = q.notebook and l.question = q.grade_id limit 1) x on true
left join lateral (select hash from answer_hashes l
    where l.submission_id = s.id and l.notebook = q.notebook and l.question = q.grade_id limit 1) ah on true
left join lateral (select * from mark_events l
    where l.assignment_id = a.id and l.member_id = m.id and l.notebook = q.notebook and l.question = q.grade_id
    order by l.id desc limit 1) e on true
where s.id is not null or e.id is not null;

-- An index that promises little and costs much where statistics are young; the
-- hashes are looked for in grade_cells.
drop index run_results_question;

-- The same, kept by the triggers below, so that a class is one range of an index.
create table grade_cells (
    assignment_id bigint not null references assignments,
    notebook      text not null,
    question      text not null,
    member_id     bigint not null references members,
    number        integer,                          -- of the paper; null: nothing was handed in
    kind          text not null,
    position      integer not null,
    max           double precision not null,
    submission_id bigint,
    run_id        bigint,
    auto          double precision,
    answer_hash   text,
    no_response   boolean not null,
    event_id      bigint,
    given         double precision,
    extra         double precision not null,
    excused       boolean not null,
    points        double precision,
    flagged       boolean not null,
    rubric        bigint[] not null,
    by_rubric     boolean not null,
    state         text not null,
    primary key (assignment_id, notebook, question, member_id)
);
create index grade_cells_member on grade_cells (assignment_id, member_id);
create index grade_cells_next on grade_cells (assignment_id, notebook, question, number) where state in ('needs', 'stale');
create index grade_cells_open on grade_cells (assignment_id, number) where state in ('needs', 'stale');

-- What they add up to, with the mark for the whole if there is one.
create table tallies (
    assignment_id bigint not null references assignments,
    member_id     bigint not null references members,
    whole         double precision,
    excused       boolean not null default false,   -- the whole assignment
    earned        double precision,
    extra         double precision not null default 0,
    most          double precision,                 -- null: there are no questions
    needs         integer not null default 0,
    waiting       integer not null default 0,
    flagged       boolean not null default false,
    primary key (assignment_id, member_id)
);
create index tallies_member on tallies (member_id);

-- +goose StatementBegin
-- One student or all of them: by index, whatever the statistics say of tables that
-- have just been filled.
create function settle(a bigint, who bigint[]) returns void language plpgsql
    set enable_seqscan = off set jit = off set plan_cache_mode = force_custom_plan as $$
begin
    -- The lock comes first, in a statement of its own: what follows must see what
    -- those who held it before have committed.
    insert into tallies (assignment_id, member_id) select a, m from unnest(who) m order by m on conflict do nothing;
    perform from tallies where assignment_id = a and member_id = any(who) order by member_id for update;

    delete from grade_cells c where assignment_id = a and member_id = any(who) and not exists (
        select from questions q where q.assignment_id = a and q.notebook = c.notebook and q.grade_id = c.question
            and q.points > 0 and q.kind in ('tests', 'manual', 'task'));
    insert into grade_cells as c (assignment_id, notebook, question, member_id, number, kind, position, max, submission_id, run_id, auto, answer_hash,
        no_response, event_id, given, extra, excused, points, flagged, rubric, by_rubric, state)
    select g.assignment_id, g.notebook, g.question, g.member_id, g.number, g.kind, g.position, g.max, g.submission_id, g.run_id, g.auto, g.answer_hash,
        g.no_response, g.event_id, g.given, g.extra, g.excused, g.points, g.flagged, g.rubric, g.by_rubric, g.state
    from unnest(who) m join grade_source g on g.member_id = m where g.assignment_id = a
    on conflict (assignment_id, notebook, question, member_id) do update set number = excluded.number, kind = excluded.kind, position = excluded.position, max = excluded.max,
        submission_id = excluded.submission_id, run_id = excluded.run_id, auto = excluded.auto, answer_hash = excluded.answer_hash,
        no_response = excluded.no_response, event_id = excluded.event_id, given = excluded.given, extra = excluded.extra, excused = excluded.excused,
        points = excluded.points, flagged = excluded.flagged, rubric = excluded.rubric, by_rubric = excluded.by_rubric, state = excluded.state
    where c is distinct from excluded;

    update tallies t set whole = w.points, excused = coalesce(w.excused, false), earned = k.earned, extra = coalesce(k.extra, 0), most = k.most,
        needs = coalesce(k.needs, 0), waiting = coalesce(k.waiting, 0), flagged = coalesce(k.flagged, false)
    from unnest(who) m
    left join lateral (select points, excused from mark_events l
        where l.assignment_id = a and l.member_id = m and l.notebook = '' and l.question = '' order by l.id desc limit 1) w on true
    left join lateral (select sum(points + extra) filter (where not excused) as earned,
            sum(extra) filter (where not excused and points is not null) as extra,
            case when count(*) > 0 then coalesce(sum(max) filter (where not excused), 0) end as most,
            count(*) filter (where state in ('needs', 'stale')) as needs,
            count(*) filter (where state = 'waiting') as waiting, bool_or(flagged) as flagged
        from grade_cells where assignment_id = a and member_id = m) k on true
    where t.assignment_id = a and t.member_id = m;
end $$;
-- +goose StatementEnd

-- +goose StatementBegin
create function settle_marks() returns trigger language plpgsql as $$
begin
    perform settle(assignment_id, array_agg(distinct member_id)) from fresh group by assignment_id order by assignment_id;
    return null;
end $$;
-- +goose StatementEnd
create trigger mark_events_settle after insert on mark_events
    referencing new table as fresh for each statement execute function settle_marks();

-- +goose StatementBegin
create function settle_new_submissions() returns trigger language plpgsql as $$
begin
    perform settle(assignment_id, array_agg(distinct member_id)) from fresh where counts group by assignment_id order by assignment_id;
    return null;
end $$;
-- +goose StatementEnd
-- +goose StatementBegin
create function settle_submissions() returns trigger language plpgsql as $$
begin
    perform settle(f.assignment_id, array_agg(distinct f.member_id)) from fresh f join gone g using (id)
    where f.counts <> g.counts group by f.assignment_id order by f.assignment_id;
    return null;
end $$;
-- +goose StatementEnd
create trigger submissions_settle_new after insert on submissions
    referencing new table as fresh for each statement execute function settle_new_submissions();
create trigger submissions_settle after update on submissions
    referencing old table as gone new table as fresh for each statement execute function settle_submissions();

-- +goose StatementBegin
create function settle_new_runs() returns trigger language plpgsql as $$
begin
    perform settle(assignment_id, array_agg(distinct member_id)) from fresh where effective group by assignment_id order by assignment_id;
    return null;
end $$;
-- +goose StatementEnd
-- +goose StatementBegin
create function settle_runs() returns trigger language plpgsql as $$
begin
    perform settle(f.assignment_id, array_agg(distinct f.member_id)) from fresh f join gone g using (id)
    where f.effective <> g.effective group by f.assignment_id order by f.assignment_id;
    return null;
end $$;
-- +goose StatementEnd
create trigger runs_settle_new after insert on runs
    referencing new table as fresh for each statement execute function settle_new_runs();
create trigger runs_settle after update on runs
    referencing old table as gone new table as fresh for each statement execute function settle_runs();

-- +goose StatementBegin
create function settle_results() returns trigger language plpgsql as $$
begin
    perform settle(r.assignment_id, array_agg(distinct r.member_id)) from (select distinct run_id from fresh) f
    join runs r on r.id = f.run_id and r.effective group by r.assignment_id order by r.assignment_id;
    return null;
end $$;
-- +goose StatementEnd
create trigger run_results_settle_new after insert on run_results
    referencing new table as fresh for each statement execute function settle_results();
create trigger run_results_settle after update on run_results
    referencing new table as fresh for each statement execute function settle_results();

-- +goose StatementBegin
create function settle_hashes() returns trigger language plpgsql as $$
begin
    perform settle(s.assignment_id, array_agg(distinct s.member_id)) from (select distinct submission_id from fresh) f
    join submissions s on s.id = f.submission_id and s.counts group by s.assignment_id order by s.assignment_id;
    return null;
end $$;
-- +goose StatementEnd
create trigger answer_hashes_settle after insert on answer_hashes
    referencing new table as fresh for each statement execute function settle_hashes();

-- +goose StatementBegin
create function settle_questions() returns trigger language plpgsql as $$
begin
    perform settle(t.assignment_id, array_agg(t.member_id)) from tallies t
    where t.assignment_id in (select assignment_id from touched) group by t.assignment_id order by t.assignment_id;
    return null;
end $$;
-- +goose StatementEnd
create trigger questions_settle_new after insert on questions
    referencing new table as touched for each statement execute function settle_questions();
create trigger questions_settle after update on questions
    referencing new table as touched for each statement execute function settle_questions();
create trigger questions_settle_gone after delete on questions
    referencing old table as touched for each statement execute function settle_questions();

select settle(assignment_id, array_agg(member_id)) from (
    select assignment_id, member_id from submissions union select assignment_id, member_id from mark_events) known group by assignment_id;

-- What an assignment comes to, for every student who takes part or has something
-- recorded. This is the one place where a total is made; course.Total has the same
-- rules. A mark for the whole is the total: nothing is taken off it.
create view current_totals as
select a.id as assignment_id, m.id as member_id, s.id as submission_id, k.whole, coalesce(k.excused, false) as excused,
    k.earned, coalesce(k.extra, 0) as extra, coalesce(k.most, a.points) as most, coalesce(k.needs, 0) as needs,
    coalesce(k.waiting, 0) as waiting, coalesce(k.flagged, false) as flagged, l.lost,
    case when k.excused or k.whole is not null or k.earned is null then 0 else round(k.earned * l.lost * 100) / 100 end as penalty,
    case when k.excused then null when k.whole is not null then k.whole else k.earned - round(k.earned * l.lost * 100) / 100 end as points
from assignments a
join courses c on c.id = a.course_id
join members m on m.course_id = a.course_id
left join tallies k on k.assignment_id = a.id and k.member_id = m.id
left join submissions s on s.assignment_id = a.id and s.member_id = m.id and s.counts
left join extensions e on e.assignment_id = a.id and e.member_id = m.id
cross join lateral (select late_lost(a.late_unit, a.late_percent, a.late_cap, a.late_grace, a.late_zero_after,
    coalesce(e.due_at, a.due_at), s.taken_at, c.zone) as lost offset 0) l
where m.role = 'student' and m.dropped_at is null or k.member_id is not null;

-- What the student was returned stays as it was, whatever is changed since.
alter table feedbacks
    add column returned_points  double precision,
    add column returned_penalty double precision not null default 0,   -- taken off for lateness
    add column returned_most    double precision;
update feedbacks f set returned_most = a.points, returned_points = (
    select sum(points) from (select distinct on (notebook, question) points from mark_events e
        where e.assignment_id = f.assignment_id and e.member_id = f.member_id and e.id <= f.marks_upto
        order by notebook, question, id desc) latest)
from assignments a where a.id = f.assignment_id and f.returned_at is not null;
