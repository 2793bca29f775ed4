-- +goose Up

-- Whether students may ask for a regrade, and for how many days after their
-- feedback was returned.
alter table assignments
    add column regrades     boolean not null default true,
    add column regrade_days integer not null default 7 constraint assignments_regrade_days check (regrade_days between 1 and 365);

-- What the student was returned, question by question: it stays as it was until the
-- next return, or until a regrade of the question is answered. The share that
-- lateness took is kept with it, so that one new mark changes nothing else.
alter table feedbacks
    add column returned_questions jsonb not null default '[]',
    add column returned_lost      double precision not null default 0;
update feedbacks f set
    returned_lost = case when f.returned_points + f.returned_penalty > 0
        then f.returned_penalty / (f.returned_points + f.returned_penalty) else 0 end,
    returned_questions = coalesce((
        select jsonb_agg(jsonb_build_object('notebook', k.notebook, 'question', k.question, 'position', k.position, 'max', k.max,
            'points', coalesce(e.points, k.auto), 'extra', coalesce(e.extra, 0), 'excused', coalesce(e.excused, false), 'event', coalesce(e.id, 0))
            order by k.notebook, k.position)
        from grade_cells k
        left join lateral (select * from mark_events l where l.assignment_id = k.assignment_id and l.member_id = k.member_id
            and l.notebook = k.notebook and l.question = k.question and l.id <= f.marks_upto order by l.id desc limit 1) e on true
        where k.assignment_id = f.assignment_id and k.member_id = f.member_id), '[]')
where f.returned_at is not null;

-- A student's request to look at the mark of one question again. What was said and
-- done is in its events; state and grader are what they come to.
create table regrades (
    id            bigint generated always as identity primary key,
    assignment_id bigint not null references assignments,
    member_id     bigint not null references members,
    notebook      text not null,
    question      text not null,
    key           uuid not null,                      -- of the form that asked; the same key is the same request
    max           double precision not null,          -- what the question gave when it was asked
    state         text not null default 'open' constraint regrades_state check (state in ('open', 'answered', 'withdrawn')),
    grader_id     bigint references users,            -- whose it is; null: the instructors'
    constraint regrades_key unique (key)
);
create unique index regrades_open on regrades (assignment_id, member_id, notebook, question) where state = 'open';
create index regrades_member on regrades (member_id, assignment_id);
create index regrades_assignment on regrades (assignment_id, id);
create index regrades_waiting on regrades (assignment_id, grader_id) where state = 'open';

create table regrade_events (
    id         bigint generated always as identity primary key,
    regrade_id bigint not null references regrades,
    kind       text not null constraint regrade_events_kind check (kind in ('asked', 'taken', 'withdrawn', 'answered')),
    actor      bigint not null references users,
    at         timestamptz not null,
    text       text not null default '' constraint regrade_events_text
               check (length(text) <= 4000 and (kind not in ('asked', 'answered') or text <> '')),
    points     double precision,                      -- with extra credit, as the student sees them from here on; null is no mark
    excused    boolean not null default false,
    mark_event bigint not null default 0              -- the latest mark of the question that this knew of; 0 is none
);
create index regrade_events_regrade on regrade_events (regrade_id, id);
-- A request is asked once and comes to one end: there are never two answers.
create unique index regrade_events_asked on regrade_events (regrade_id) where kind = 'asked';
create unique index regrade_events_closed on regrade_events (regrade_id) where kind in ('answered', 'withdrawn');

create trigger regrade_events_append_only before update or delete on regrade_events
    for each row execute function refuse_change();
create trigger regrades_kept before delete on regrades for each row execute function refuse_change();
create trigger regrades_fixed before update of assignment_id, member_id, notebook, question, key, max on regrades
    for each row execute function refuse_change();
