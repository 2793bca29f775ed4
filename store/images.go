package store

import "context"

// ImageNames are the references of images that courses, assignments and
// workspaces name, and id too if a run was graded in the image of that id.
func (s *Store) ImageNames(ctx context.Context, id string) ([]string, error) {
	type named struct{ Image string }
	rows, err := many[named](ctx, s.db, "images", `
		select image from courses union select image from assignments where image <> '' union select image from workspaces
		union select $1 where exists (select from runs where image_digest = $1 and $1 <> '')`, id)
	out := make([]string, len(rows))
	for i, r := range rows {
		out[i] = r.Image
	}
	return out, err
}
