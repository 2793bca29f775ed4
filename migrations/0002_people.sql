-- +goose Up

-- When somebody first could sign in as this person. Until then an invitation,
-- or a provider the operator trusts for it, may claim the account; never after.
alter table users add column claimed_at timestamptz;

-- An invitation is for a person. It names the course they were invited to, if any.
alter table invitations add column user_id bigint references users on delete cascade;
update invitations i set user_id = m.user_id from members m where m.id = i.member_id;
alter table invitations alter column user_id set not null;
alter table invitations alter column member_id drop not null;
create index invitations_user on invitations (user_id);

-- A person sees and ends their sessions by id; the token's hash stays here.
alter table sessions add column id bigint generated always as identity;
alter table sessions add column seen_at timestamptz not null default now();
alter table sessions add constraint sessions_id_unique unique (id);

-- The same form sent twice makes one course.
alter table courses add column key uuid;
alter table courses add constraint courses_key unique (key);

create index users_email on users (lower(email)) where email <> '';
create index activity_actor on activity (actor, id desc);
