-- +goose Up

-- What the homes of a course's members hold, when somebody last looked.
create table home_usage (
    member_id   bigint primary key references members on delete cascade,
    measured_at timestamptz not null default now(),
    bytes       bigint not null,        -- on the disk
    more        boolean not null,       -- there is more than was counted
    quota       bigint not null,        -- bytes that it may hold; 0: as many as there are
    bounded     boolean not null        -- the file system sees to it
);
