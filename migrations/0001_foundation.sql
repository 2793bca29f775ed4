-- +goose Up

create table users (
    id           bigint generated always as identity primary key,
    login        text not null constraint users_login_form check (login ~ '^[a-z0-9][a-z0-9._-]{0,62}$'),
    name         text not null default '',
    email        text not null default '',
    site_admin   boolean not null default false,
    password     text,                      -- argon2id, encoded; null cannot sign in locally
    created_at   timestamptz not null default now(),
    last_seen_at timestamptz,
    disabled_at  timestamptz,
    constraint users_login_unique unique (login)
);

-- A sign-in of a provider. Never matched by e-mail.
create table identities (
    issuer     text not null,
    subject    text not null,
    user_id    bigint not null references users on delete cascade,
    email      text not null default '',
    created_at timestamptz not null default now(),
    used_at    timestamptz not null default now(),
    primary key (issuer, subject)
);
create index identities_user on identities (user_id);

-- Sessions of scs; user_id lets a person list and revoke theirs.
create table sessions (
    token      text primary key,
    data       bytea not null,
    expiry     timestamptz not null,
    user_id    bigint references users on delete cascade,
    created_at timestamptz not null default now(),
    agent      text not null default '',
    address    text not null default ''
);
create index sessions_expiry on sessions (expiry);
create index sessions_user on sessions (user_id);

create table courses (
    id          bigint generated always as identity primary key,
    slug        text not null constraint courses_slug_form check (slug ~ '^[a-z0-9][a-z0-9-]{0,62}$'),
    title       text not null,
    term        text not null default '',
    zone        text not null default 'UTC',
    image       text not null,
    created_at  timestamptz not null default now(),
    archived_at timestamptz,
    constraint courses_slug_unique unique (slug)
);

create table members (
    id         bigint generated always as identity primary key,
    course_id  bigint not null references courses,
    user_id    bigint not null references users,
    role       text not null constraint members_role check (role in ('student', 'grader', 'instructor')),
    section    text not null default '',
    created_at timestamptz not null default now(),
    dropped_at timestamptz,
    constraint members_once unique (course_id, user_id),
    unique (id, course_id)
);
create index members_user on members (user_id);

-- A link that lets one roster entry be claimed, once.
create table invitations (
    token_hash bytea primary key,           -- SHA-256 of the token in the link
    member_id  bigint not null references members on delete cascade,
    created_by bigint references users,
    created_at timestamptz not null default now(),
    expires_at timestamptz not null,
    used_at    timestamptz
);
create index invitations_member on invitations (member_id);

create table assignments (
    id              bigint generated always as identity primary key,
    course_id       bigint not null references courses,
    slug            text not null constraint assignments_slug_form
                    check (slug ~ '^[a-z0-9][a-z0-9-]{0,62}$' and slug not in ('release', 'feedback')),
    title           text not null,
    image           text not null default '',
    points          double precision not null default 0,
    opens_at        timestamptz,
    due_at          timestamptz,
    source_version  integer not null default 0,
    checked_version integer not null default 0,
    release_version integer not null default 0,
    released_at     timestamptz,
    scheduled_at    timestamptz,
    created_at      timestamptz not null default now(),
    archived_at     timestamptz,
    constraint assignments_slug_unique unique (course_id, slug),
    constraint assignments_dates check (opens_at is null or due_at is null or opens_at < due_at),
    unique (id, course_id)
);

-- The report of the last check, as made by grading.Prepare.
create table checks (
    assignment_id  bigint primary key references assignments on delete cascade,
    source_version integer not null,
    ok             boolean not null,
    report         jsonb not null,
    checked_at     timestamptz not null default now()
);

-- The cells of the instructor's version that grading stands on.
create table questions (
    assignment_id bigint not null references assignments on delete cascade,
    notebook      text not null,            -- without .ipynb
    grade_id      text not null,
    position      integer not null,
    kind          text not null constraint questions_kind check (kind in ('answer', 'tests', 'manual', 'task', 'readonly')),
    cell_type     text not null,
    points        double precision not null default 0,
    source        text not null,
    checksum      text not null default '',
    primary key (assignment_id, notebook, grade_id)
);

-- A member's own due time.
create table extensions (
    assignment_id bigint not null references assignments on delete cascade,
    member_id     bigint not null references members on delete cascade,
    due_at        timestamptz not null,
    reason        text not null default '',
    granted_by    bigint references users,
    granted_at    timestamptz not null default now(),
    primary key (assignment_id, member_id)
);

-- A member's dealings with an assignment: opened, collected.
create table works (
    assignment_id bigint not null references assignments on delete cascade,
    member_id     bigint not null references members on delete cascade,
    fetched_at    timestamptz not null default now(),  -- the working copy was laid out
    fetched_version integer not null default 0,
    collected_for timestamptz,              -- the due time it was last collected for
    collected_at  timestamptz,
    collect_error text,
    primary key (assignment_id, member_id)
);
create index works_member on works (member_id);

create table submissions (
    id            bigint generated always as identity primary key,
    assignment_id bigint not null references assignments,
    member_id     bigint not null references members,
    kind          text not null constraint submissions_kind check (kind in ('submit', 'collect')),
    key           uuid not null,            -- of the form that asked; the same key is the same submission
    taken_at      timestamptz not null,
    late_seconds  bigint not null default 0 constraint submissions_late check (late_seconds >= 0),
    counts        boolean not null default false,
    snapshot      text not null,
    digest        text not null,
    files         jsonb not null,
    bytes         bigint not null,
    notes         text[] not null default '{}',
    recorded_at   timestamptz not null default now(),
    constraint submissions_key unique (key)
);
create unique index submissions_counts on submissions (assignment_id, member_id) where counts;
create index submissions_member on submissions (member_id, assignment_id);

-- Every mark ever given; the current one is the latest of its question.
create table mark_events (
    id            bigint generated always as identity primary key,
    assignment_id bigint not null references assignments,
    member_id     bigint not null references members,
    notebook      text not null default '',
    question      text not null default '',
    points        double precision,         -- null takes the mark back
    comment       text not null default '',
    source        text not null constraint mark_events_source check (source in ('hand', 'csv', 'auto')),
    reason        text not null default '',
    actor         bigint references users,  -- null is the autograder
    at            timestamptz not null default now()
);
create index mark_events_current on mark_events (assignment_id, member_id, notebook, question, id desc);

-- +goose StatementBegin
create function refuse_change() returns trigger language plpgsql as $$
begin
    raise exception '% is append-only', tg_table_name using errcode = 'restrict_violation';
end $$;
-- +goose StatementEnd
create trigger mark_events_append_only before update or delete on mark_events
    for each row execute function refuse_change();

-- Feedback files of a member: staged when uploaded, theirs when returned.
create table feedbacks (
    assignment_id bigint not null references assignments on delete cascade,
    member_id     bigint not null references members on delete cascade,
    staged_at     timestamptz,              -- a version waits to be returned
    staged_files  jsonb not null default '[]',
    returned_at   timestamptz,              -- a version is with the student
    returned_files jsonb not null default '[]',
    returned_by   bigint references users,
    seen_at       timestamptz,
    primary key (assignment_id, member_id)
);

create table workspaces (
    id               text primary key constraint workspaces_id_form check (id ~ '^[a-z2-7]{16}$'),
    course_id        bigint not null references courses,
    member_id        bigint not null references members,
    image            text not null,
    state            text not null constraint workspaces_state
                     check (state in ('stopped', 'queued', 'starting', 'running', 'stopping', 'failed')),
    generation       bigint not null default 0,
    container_id     text not null default '',
    addr             text not null default '',
    token            text not null default '',
    reason           text not null default '',
    queued_at        timestamptz,
    started_at       timestamptz,
    ready_at         timestamptz,
    last_activity_at timestamptz,
    expires_at       timestamptz,
    updated_at       timestamptz not null default now(),
    constraint workspaces_once unique (member_id, image)
);
create index workspaces_state on workspaces (state) where state not in ('stopped', 'failed');

-- Who did what, when. Never holds secrets or file contents.
create table activity (
    id            bigint generated always as identity primary key,
    at            timestamptz not null default now(),
    actor         bigint references users,
    course_id     bigint references courses,
    assignment_id bigint references assignments on delete set null,
    member_id     bigint references members on delete set null,
    verb          text not null,
    detail        text not null default ''
);
create index activity_course on activity (course_id, id desc);

-- Rows that must exist once per site: signing keys and the like.
create table settings (
    name  text primary key,
    value bytea not null
);
