package store

import "context"

// ImageNames are the references of images that courses, assignments, workspaces
// and the site's list name, what those are pinned to, and id too if a run was
// graded in the image of that id.
func (s *Store) ImageNames(ctx context.Context, id string) ([]string, error) {
	type named struct{ Image string }
	rows, err := many[named](ctx, s.db, "images", `
		select image from courses union select image from assignments where image <> '' union select image from workspaces
		union select reference from images union select reference from image_jobs
		union select image_id from image_pins union select repo_digest from image_pins where repo_digest <> ''
		union select $1 where exists (select from runs where image_digest = $1 and $1 <> '')`, id)
	out := make([]string, len(rows))
	for i, r := range rows {
		out[i] = r.Image
	}
	return out, err
}
