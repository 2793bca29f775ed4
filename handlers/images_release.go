package handlers

import (
	"context"
	"net/http"
	"time"

	"lectern/course"
	"lectern/store"
	"lectern/views"
)

// Images pins what the name of an image means in a course, if that can be said at
// once; false says that the image has to be fetched first.
type Images interface {
	Settle(ctx context.Context, c course.ID, reference string, by course.UserID) (bool, error)
}

// settleImage has the assignment's image at hand and pinned before students get
// it. If it has to be fetched first, that is asked for and false. With later it is
// not waited for.
func (s *Site) settleImage(r *http.Request, later bool) (bool, error) {
	v := visitOf(r)
	if s.Images == nil {
		return true, nil
	}
	ready, err := s.Images.Settle(r.Context(), v.course.ID, imageOf(v), v.user.ID)
	if ready || err != nil {
		return ready, err
	}
	if err := s.askFetch(r.Context(), v); err != nil {
		return false, err
	}
	return later, nil
}

// askFetch has the image of the visit's assignment fetched, and then pinned.
func (s *Site) askFetch(ctx context.Context, v *visit) error {
	return s.Store.AskImage(ctx, store.ImageAsk{Kind: store.ImageFetch, Reference: imageOf(v), CourseID: v.course.ID}, v.user.ID, s.Now())
}

// fetchAhead has the image of a planned release fetched before its time. Nothing
// of the plan depends on it.
func (s *Site) fetchAhead(r *http.Request) error {
	_, err := s.settleImage(r, true)
	return err
}

// fetchChosen has an image fetched that was chosen for what students have already.
func (s *Site) fetchChosen(r *http.Request, image string) error {
	v := visitOf(r)
	if s.Images == nil {
		return nil
	}
	users, err := s.Store.ImageUsers(r.Context(), v.course.ID, image)
	if err != nil {
		return err
	}
	for _, u := range users {
		if u.Released {
			return s.Store.AskImage(r.Context(), store.ImageAsk{Kind: store.ImageFetch, Reference: image, CourseID: v.course.ID}, v.user.ID, s.Now())
		}
	}
	return nil
}

// awaitImage has the assignment released once its image is there.
func (s *Site) awaitImage(w http.ResponseWriter, r *http.Request) error {
	v := visitOf(r)
	if err := s.Store.AskRelease(r.Context(), v.assignment.ID, v.user.ID, s.Now()); err != nil {
		return err
	}
	// Asked for again: the fetch may have ended just before.
	if err := s.askFetch(r.Context(), v); err != nil {
		return err
	}
	if err := s.record(r, "asked for the release of", v.assignment, "once its image is there"); err != nil {
		return err
	}
	s.flash(r, "info", v.assignment.Title+" is released as soon as its environment is on the server.")
	return seeOther(w, r, assignmentPart(v.course.Slug, v.assignment.Slug, "release"))
}

// cancelRelease takes back a release that waits for its image.
func (s *Site) cancelRelease(w http.ResponseWriter, r *http.Request) error {
	v := visitOf(r)
	if err := s.Store.AskRelease(r.Context(), v.assignment.ID, 0, time.Time{}); err != nil {
		return err
	}
	s.flash(r, "good", v.assignment.Title+" is not released.")
	return seeOther(w, r, assignmentPart(v.course.Slug, v.assignment.Slug, "release"))
}

// imageOnRelease says on the release page what the environment is, and how far a
// release is that waits for it.
func (s *Site) imageOnRelease(r *http.Request, page *views.ReleaseView) error {
	if s.Images == nil {
		return nil
	}
	v := visitOf(r)
	asked, err := s.Store.ReleaseAsked(r.Context(), v.assignment.ID)
	if err != nil {
		return err
	}
	live, moving, err := s.imageLive(r)
	if err != nil {
		return err
	}
	page.Image, page.ImageURL, page.Waiting = &live, imagePath(v.course.Slug, v.assignment.Slug), asked != nil
	page.CancelRelease = imagePath(v.course.Slug, v.assignment.Slug) + "/cancel"
	if moving {
		page.ImageEvents = imagePath(v.course.Slug, v.assignment.Slug) + "/events?short"
	}
	return nil
}
