-- +goose Up

-- The images that courses may choose from. The operator's image of new courses is
-- one of them without a row.
create table images (
    reference text primary key constraint images_reference check (reference ~ '^[A-Za-z0-9][A-Za-z0-9._:/@-]{0,254}$'),
    title     text not null constraint images_title check (title <> ''),
    note      text not null default '',
    standard  boolean not null default false, -- of new courses, in place of the operator's
    added_by  bigint references users,
    added_at  timestamptz not null default now()
);
create unique index images_standard on images (standard) where standard;

-- What a reference means in a course since it was first released with it: workspaces
-- and graders take this very image, whatever becomes of the name.
create table image_pins (
    course_id   bigint not null references courses on delete cascade,
    reference   text not null,
    image_id    text not null,                   -- sha256:…, as the engine knows it
    repo_digest text not null default '',        -- name@sha256:…, to fetch it again; empty if it was built by hand
    size        bigint not null default 0,       -- bytes
    built_at    timestamptz,
    pinned_by   bigint references users,
    pinned_at   timestamptz not null default now(),
    missing_at  timestamptz,                     -- since when the engine is known not to have it
    primary key (course_id, reference)
);
create index image_pins_image on image_pins (image_id);

-- Who asked for an assignment's release that waits for its image.
alter table assignments
    add column release_asked_at timestamptz,
    add column release_asked_by bigint references users;

-- Work with images that takes its time: one row for each thing that was asked for.
create table image_jobs (
    id            bigint generated always as identity primary key,
    kind          text not null constraint image_jobs_kind check (kind in ('fetch', 'newer', 'test')),
    reference     text not null,
    course_id     bigint references courses on delete cascade,     -- null: the site's own test
    assignment_id bigint references assignments on delete cascade, -- of a test that grades its solution
    state         text not null default 'queued' constraint image_jobs_state check (state in ('queued', 'running', 'done', 'failed')),
    attempts      integer not null default 0,         -- the token of who works on it: an older one has no say
    failures      integer not null default 0,         -- of ours, since it was asked for
    asked_by      bigint references users,
    asked_at      timestamptz not null default now(),
    not_before    timestamptz not null default now(), -- after a failure of ours it waits
    started_at    timestamptz,
    ended_at      timestamptz,
    lease_until   timestamptz,                        -- who works on it and lives has put it off
    token         text not null default '',           -- of the Jupyter that a test starts
    step          text not null default '',           -- what is being done, for people
    done_bytes    bigint not null default 0,
    total_bytes   bigint not null default 0,          -- 0: not known
    error         text not null default '',
    log           text not null default '',
    result        jsonb not null default '{}'
);
create unique index image_jobs_once on image_jobs (kind, reference, coalesce(course_id, 0), coalesce(assignment_id, 0));
