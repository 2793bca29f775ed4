package grading

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"lectern/course"
	"lectern/spawner/container"
	"lectern/store"
)

// errGone is a pinned image that no registry can give back.
var errGone = errors.New("a pinned image without a digest is gone")

// FoundImage is what a name was found to mean.
type FoundImage struct {
	ID      string     `json:"id"`
	Digest  string     `json:"digest"` // name@sha256:…; empty if it was built by hand
	Size    int64      `json:"size"`
	BuiltAt *time.Time `json:"built_at"`
	At      time.Time  `json:"at"`
	Note    string     `json:"note"` // for people; empty
}

func found(i container.Image, at time.Time) FoundImage {
	f := FoundImage{ID: i.ID, Digest: i.RepoDigest, Size: i.Size, At: at.UTC()}
	if !i.BuiltAt.IsZero() {
		f.BuiltAt = &i.BuiltAt
	}
	return f
}

// Pin is the pin of a course to what was found.
func (f FoundImage) Pin(c course.ID, reference string) store.ImagePin {
	return store.ImagePin{CourseID: c, Reference: reference, ImageID: f.ID, RepoDigest: f.Digest, Size: f.Size, BuiltAt: f.BuiltAt}
}

// Settle pins what a reference means in a course, if that can be said at once:
// every machine has it. false says that a fetch is needed first.
func (m *Images) Settle(ctx context.Context, c course.ID, reference string, by course.UserID) (bool, error) {
	if _, pinned, err := m.Store.ImagePin(ctx, c, reference); pinned || err != nil {
		return pinned, err
	}
	ctx, done := context.WithTimeout(ctx, 10*time.Second)
	defer done()
	got, err := m.Engine.Image(ctx, reference)
	if err == nil {
		got, err = m.Engine.Fetch(ctx, reference, false, func(container.Fetching) {})
	}
	if err != nil {
		m.Log.Info("an image is not at hand", "image", reference, "error", err)
		return false, nil
	}
	return true, m.Store.PinImage(ctx, found(got, m.Now()).Pin(c, reference), by)
}

// fetch has the course's image on every machine, pins it if it is not pinned yet,
// and releases what waited for it.
func (m *Images) fetch(ctx context.Context, j store.ImageJob) error {
	m.say(ctx, j)(container.Fetching{Text: "Looking for the image"})
	pin, pinned, err := m.Store.ImagePin(ctx, j.CourseID, j.Reference)
	if err != nil {
		return err
	}
	if pinned {
		err = m.restore(ctx, j, pin)
	} else {
		var got container.Image
		if got, err = m.Engine.Fetch(ctx, j.Reference, false, m.say(ctx, j)); err == nil {
			err = m.Store.PinImage(ctx, found(got, m.Now()).Pin(j.CourseID, j.Reference), j.AskedBy)
		}
	}
	if err != nil {
		return err
	}
	waiting, err := m.Store.ReleasesWaiting(ctx, j.CourseID, j.Reference)
	if err != nil {
		return err
	}
	var notes []string
	for _, w := range waiting {
		switch err := m.release(ctx, w); {
		case err == nil:
		case course.IsKind(err, course.Conflict): // the files changed meanwhile: theirs to look at
			p, _ := course.AsProblem(err)
			notes = append(notes, p.Text)
			if err := m.Store.AskRelease(ctx, w.ID, 0, time.Time{}); err != nil {
				return err
			}
		default:
			return err
		}
	}
	_, err = m.Store.EndImageJob(ctx, j, nil, strings.Join(notes, "\n"), m.Now())
	return err
}

// restore makes sure of the very image that a course is pinned to.
func (m *Images) restore(ctx context.Context, j store.ImageJob, pin store.ImagePin) error {
	got, err := m.Engine.Fetch(ctx, pin.ImageID, false, m.say(ctx, j))
	if errors.Is(err, container.ErrImageMissing) {
		if pin.RepoDigest == "" {
			return fmt.Errorf("%w: %w", errGone, err)
		}
		got, err = m.Engine.Fetch(ctx, pin.RepoDigest, true, m.say(ctx, j))
	}
	if err != nil {
		return err
	}
	if got.ID != pin.ImageID { // another kind of store on the engine counts ids another way
		return fmt.Errorf("grading: %s is %s here, and was %s when it was pinned", pin.RepoDigest, got.ID, pin.ImageID)
	}
	return m.Store.MarkImages(ctx, []string{pin.ImageID}, nil, m.Now())
}

// release gives an assignment to students that was to be once its image is there.
func (m *Images) release(ctx context.Context, w store.WaitingRelease) error {
	if err := m.Preparer.Release(ctx, w.Course, w.ID, m.Now()); err != nil {
		return err
	}
	verb := "released"
	if w.Again {
		verb = "released again"
	}
	return m.Store.Record(ctx, course.Activity{Actor: w.By, CourseID: w.Course.ID, AssignmentID: w.ID, Verb: verb, Detail: "as soon as its image was there"})
}

// newer finds out what the name means by now. If no registry can be asked, what
// the engine has under it counts: it may have been built anew there.
func (m *Images) newer(ctx context.Context, j store.ImageJob) error {
	m.say(ctx, j)(container.Fetching{Text: "Asking the registry"})
	note := ""
	got, err := m.Engine.Fetch(ctx, j.Reference, true, m.say(ctx, j))
	if errors.Is(err, container.ErrRegistry) || errors.Is(err, container.ErrNoSuchImage) || errors.Is(err, container.ErrStalled) {
		note, _ = imageReason(err)
		note = "What the engine has under the name counts. " + note
		asked := err
		if got, err = m.Engine.Fetch(ctx, j.Reference, false, m.say(ctx, j)); err != nil {
			err = errors.Join(asked, err)
		}
	}
	if err != nil {
		return err
	}
	f := found(got, m.Now())
	f.Note = note
	_, err = m.Store.EndImageJob(ctx, j, f, "", m.Now())
	return err
}

// Look finds out which of the pinned images are there, and has those fetched again
// that are gone and can be.
func (m *Images) Look(ctx context.Context) error {
	pins, err := m.Store.PinnedImages(ctx)
	if err != nil {
		return err
	}
	state := map[string]bool{} // by id: it is there
	for _, p := range pins {
		if _, asked := state[p.ImageID]; asked {
			continue
		}
		switch _, err := m.Engine.Image(ctx, p.ImageID); {
		case err == nil:
			state[p.ImageID] = true
		case errors.Is(err, container.ErrImageMissing):
			state[p.ImageID] = false
		default: // nothing is concluded from silence
			return err
		}
	}
	var there, missing []string
	for id, is := range state {
		if is {
			there = append(there, id)
		} else {
			missing = append(missing, id)
		}
	}
	if err := m.Store.MarkImages(ctx, there, missing, m.Now()); err != nil {
		return err
	}
	for _, p := range pins {
		if state[p.ImageID] || p.MissingAt != nil {
			continue // there, or known already
		}
		m.Log.Error("an image that a course is pinned to is gone from the engine: its students cannot open workspaces",
			"course", p.CourseID, "image", p.Reference, "id", p.ImageID, "fetched", p.RepoDigest != "")
		if p.RepoDigest != "" {
			if err := m.Store.AskImage(ctx, store.ImageAsk{Kind: store.ImageFetch, Reference: p.Reference, CourseID: p.CourseID}, 0, m.Now()); err != nil {
				return err
			}
		}
	}
	return nil
}
