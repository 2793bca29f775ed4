package store

import (
	"context"
	"time"

	"lectern/course"
)

// ListedImage is an image that courses may choose.
type ListedImage struct {
	Reference string
	Title     string
	Note      string // a sentence; may be empty
	Standard  bool   // of new courses
	AddedAt   time.Time
}

// ListedImages are the images that an administrator put on the list, by title.
func (s *Store) ListedImages(ctx context.Context) ([]ListedImage, error) {
	return many[ListedImage](ctx, s.db, "images", `
		select reference, title, note, standard, added_at from images order by lower(title), reference`)
}

// SaveImage puts an image on the list, or changes its title and note.
func (s *Store) SaveImage(ctx context.Context, i ListedImage, by course.UserID) error {
	return s.InTx(ctx, func(tx *Store) error {
		if _, err := exec(ctx, tx.db, "image", `
			insert into images (reference, title, note, added_by) values ($1, $2, $3, $4)
			on conflict (reference) do update set title = excluded.title, note = excluded.note`, i.Reference, i.Title, i.Note, by); err != nil {
			return err
		}
		return tx.Record(ctx, course.Activity{Actor: by, Verb: "listed the image", Detail: i.Reference})
	})
}

// DropImage takes an image off the list. Courses that use it go on.
func (s *Store) DropImage(ctx context.Context, reference string, by course.UserID) error {
	return s.InTx(ctx, func(tx *Store) error {
		n, err := exec(ctx, tx.db, "image", `delete from images where reference = $1`, reference)
		if err != nil || n == 0 {
			return err
		}
		return tx.Record(ctx, course.Activity{Actor: by, Verb: "took the image off the list", Detail: reference})
	})
}

// MakeImageStandard gives new courses this image of the list; one that is not on
// it leaves them the operator's.
func (s *Store) MakeImageStandard(ctx context.Context, reference string, by course.UserID) error {
	return s.InTx(ctx, func(tx *Store) error {
		// In two statements: the index allows no two at any moment.
		if _, err := exec(ctx, tx.db, "image", `update images set standard = false where standard and reference <> $1`, reference); err != nil {
			return err
		}
		if _, err := exec(ctx, tx.db, "image", `update images set standard = true where reference = $1`, reference); err != nil {
			return err
		}
		return tx.Record(ctx, course.Activity{Actor: by, Verb: "made default the image", Detail: reference})
	})
}

// ImageUse is how much a reference is used.
type ImageUse struct {
	Reference string
	Courses   int // that name it, themselves or in an assignment
}

// ImageUses counts the courses in use that name each reference.
func (s *Store) ImageUses(ctx context.Context) (map[string]int, error) {
	rows, err := many[ImageUse](ctx, s.db, "images", `
		select reference, count(distinct course_id)::int as courses from (
			select image as reference, id as course_id from courses where archived_at is null
			union all select a.image, a.course_id from assignments a join courses c on c.id = a.course_id
			where a.image <> '' and a.archived_at is null and c.archived_at is null) used
		group by 1`)
	out := make(map[string]int, len(rows))
	for _, r := range rows {
		out[r.Reference] = r.Courses
	}
	return out, err
}

// anyImage is the setting that lets instructors name images that are not on the list.
const anyImage = "images-any"

// AnyImage reports whether instructors may name any image.
func (s *Store) AnyImage(ctx context.Context) (bool, error) {
	v, err := s.Setting(ctx, anyImage)
	return string(v) == "yes", err
}

// AllowAnyImage lets instructors name any image, or only those of the list.
func (s *Store) AllowAnyImage(ctx context.Context, yes bool, by course.UserID) error {
	word := "no"
	if yes {
		word = "yes"
	}
	return s.InTx(ctx, func(tx *Store) error {
		if err := tx.SaveSetting(ctx, anyImage, []byte(word)); err != nil {
			return err
		}
		return tx.Record(ctx, course.Activity{Actor: by, Verb: "changed who may name images", Detail: "any image: " + word})
	})
}
