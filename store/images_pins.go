package store

import (
	"context"
	"time"

	"lectern/course"
)

// ImagePin is the very image that a reference means in a course.
type ImagePin struct {
	CourseID   course.ID
	Reference  string
	ImageID    string // sha256:…, as the engine knows it
	RepoDigest string // name@sha256:…, to fetch it again; empty if it was built by hand
	Size       int64  // bytes
	BuiltAt    *time.Time
	PinnedAt   time.Time
	MissingAt  *time.Time // since when the engine is known not to have it
}

const imagePinColumns = `p.course_id, p.reference, p.image_id, p.repo_digest, p.size, p.built_at, p.pinned_at, p.missing_at`

// pinnedImage is the id that the image of a workspace w stands for; ” if its
// course was never released with it.
const pinnedImage = `coalesce((select ip.image_id from image_pins ip where ip.course_id = w.course_id and ip.reference = w.image), '')`

// pinnedFor is the id that the image of an assignment a of a course c stands for;
// null if it is not pinned.
const pinnedFor = `(select ip.image_id from image_pins ip where ip.course_id = c.id and ip.reference = coalesce(nullif(a.image, ''), c.image))`

// ImagePin is the course's pin of a reference; ok is false before there is one.
func (s *Store) ImagePin(ctx context.Context, c course.ID, reference string) (p ImagePin, ok bool, err error) {
	p, err = one[ImagePin](ctx, s.db, "image", `
		select `+imagePinColumns+` from image_pins p where p.course_id = $1 and p.reference = $2`, c, reference)
	if course.IsKind(err, course.NotFound) {
		return p, false, nil
	}
	return p, err == nil, err
}

// PinImage pins a reference that is not pinned yet; one that is stays as it is.
func (s *Store) PinImage(ctx context.Context, p ImagePin, by course.UserID) error {
	return s.pin(ctx, p, by, "", "pinned the image")
}

// MovePin gives a reference another image, if it still means the image was.
func (s *Store) MovePin(ctx context.Context, was string, p ImagePin, by course.UserID) error {
	return s.pin(ctx, p, by, was, "took the newer image")
}

func (s *Store) pin(ctx context.Context, p ImagePin, by course.UserID, was, verb string) error {
	return s.InTx(ctx, func(tx *Store) error {
		n, err := exec(ctx, tx.db, "pin image", `
			insert into image_pins as old (course_id, reference, image_id, repo_digest, size, built_at, pinned_by)
			values ($1, $2, $3, $4, $5, $6, nullif($7::bigint, 0))
			on conflict (course_id, reference) do update set image_id = excluded.image_id, repo_digest = excluded.repo_digest, size = excluded.size,
				built_at = excluded.built_at, pinned_by = excluded.pinned_by, pinned_at = now(), missing_at = null
				where old.image_id = $8`, p.CourseID, p.Reference, p.ImageID, p.RepoDigest, p.Size, p.BuiltAt, by, was)
		if err != nil || n == 0 {
			return err
		}
		return tx.Record(ctx, course.Activity{Actor: by, CourseID: p.CourseID, Verb: verb, Detail: p.Reference + " is " + p.ImageID})
	})
}

// PinnedImages are the images that courses in use are pinned to.
func (s *Store) PinnedImages(ctx context.Context) ([]ImagePin, error) {
	return many[ImagePin](ctx, s.db, "images", `
		select `+imagePinColumns+` from image_pins p join courses c on c.id = p.course_id
		where c.archived_at is null order by p.course_id, p.reference`)
}

// MarkImages notes which of the pinned images the engine has and which it lacks,
// by id. Those that it was not asked for stay as they were.
func (s *Store) MarkImages(ctx context.Context, there, missing []string, now time.Time) error {
	_, err := exec(ctx, s.db, "images", `
		update image_pins set missing_at = case when image_id = any($2::text[]) then coalesce(missing_at, $3) end
		where image_id = any($1::text[]) and missing_at is not null or image_id = any($2::text[]) and missing_at is null`, texts(there), texts(missing), now)
	return err
}

// MissingImage is a pin whose image is gone, and the course that has it.
type MissingImage struct {
	ImagePin
	CourseSlug, CourseTitle string
}

// MissingImages are the pins of courses in use whose image is gone, oldest first.
func (s *Store) MissingImages(ctx context.Context) ([]MissingImage, error) {
	return many[MissingImage](ctx, s.db, "images", `
		select `+imagePinColumns+`, c.slug as course_slug, c.title as course_title from image_pins p join courses c on c.id = p.course_id
		where p.missing_at is not null and c.archived_at is null order by p.missing_at, c.slug`)
}

// AskRelease has an assignment released as soon as its image is there; the zero
// time takes that back.
func (s *Store) AskRelease(ctx context.Context, a course.AssignmentID, by course.UserID, at time.Time) error {
	_, err := exec(ctx, s.db, "release", `
		update assignments set release_asked_at = $2, release_asked_by = nullif($3::bigint, 0) where id = $1`, a, orNull(at), by)
	return err
}

// ReleaseAsked is when an assignment's release was asked for that waits for its
// image; nil if none does.
func (s *Store) ReleaseAsked(ctx context.Context, a course.AssignmentID) (*time.Time, error) {
	type row struct{ ReleaseAskedAt *time.Time }
	r, err := one[row](ctx, s.db, "assignment", `select release_asked_at from assignments where id = $1`, a)
	return r.ReleaseAskedAt, err
}

// WaitingRelease is an assignment that is to be released once its image is there.
type WaitingRelease struct {
	ID     course.AssignmentID
	Course course.Course
	By     course.UserID
	Again  bool // it was released before
}

// ReleasesWaiting are those that wait for an image of a course.
func (s *Store) ReleasesWaiting(ctx context.Context, c course.ID, reference string) ([]WaitingRelease, error) {
	type row struct {
		ID    course.AssignmentID
		Slug  string // the course's
		By    course.UserID
		Again bool
	}
	rows, err := many[row](ctx, s.db, "releases", `
		select a.id, c.slug, coalesce(a.release_asked_by, 0) as by, a.released_at is not null as again from assignments a join courses c on c.id = a.course_id
		where a.course_id = $1 and coalesce(nullif(a.image, ''), c.image) = $2 and a.release_asked_at is not null and a.archived_at is null
		order by a.release_asked_at, a.id`, c, reference)
	out := make([]WaitingRelease, len(rows))
	for i, r := range rows {
		out[i] = WaitingRelease{ID: r.ID, Course: course.Course{ID: c, Slug: r.Slug}, By: r.By, Again: r.Again}
	}
	return out, err
}

// ImageUser is an assignment that opens in an image.
type ImageUser struct {
	Slug, Title string
	Released    bool // or about to be, once its image is there
}

// ImageUsers are a course's assignments that open in an image, by title.
func (s *Store) ImageUsers(ctx context.Context, c course.ID, reference string) ([]ImageUser, error) {
	return many[ImageUser](ctx, s.db, "assignments", `
		select a.slug, a.title, coalesce(a.released_at, a.release_asked_at) is not null as released from assignments a join courses c on c.id = a.course_id
		where a.course_id = $1 and coalesce(nullif(a.image, ''), c.image) = $2 and a.archived_at is null order by a.title, a.id`, c, reference)
}
