-- +goose Up

-- A workspace may be started before its member asks for it: ahead until
-- somebody opens it, or until it ends unused.
alter table workspaces add column ahead boolean not null default false;
alter table courses add column prestart boolean not null default true;

-- How often that was of use.
create table prestarts (
    course_id bigint not null references courses on delete cascade,
    day       date not null,                    -- in UTC
    started   integer not null default 0,
    used      integer not null default 0,       -- opened by then; the others ended unused, or wait
    unused    integer not null default 0,
    primary key (course_id, day)
);
