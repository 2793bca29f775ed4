package handlers

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/a-h/templ"

	"lectern/course"
	"lectern/grading"
	"lectern/store"
	"lectern/views"
)

func imagePath(c, a string) string { return assignmentPart(c, a, "image") }

// imagePage is the environment of an assignment: which very image it is, whether
// there is a newer one, and whether it works.
func (s *Site) imagePage(w http.ResponseWriter, r *http.Request) error {
	v := visitOf(r)
	live, moving, err := s.imageLive(r)
	if err != nil {
		return err
	}
	page := views.ImageView{Page: s.assignmentFrame(r, "Environment", "image"), Live: live, SettingsURL: assignmentPart(v.course.Slug, v.assignment.Slug, "settings"), MayEdit: v.teaches()}
	if moving {
		page.Events = imagePath(v.course.Slug, v.assignment.Slug) + "/events"
	}
	return s.show(w, r, views.Image(page))
}

// imageLive is the part of the page that changes while something is under way;
// moving says that more will come by itself.
func (s *Site) imageLive(r *http.Request) (live views.ImageLiveView, moving bool, err error) {
	v, ref := visitOf(r), imageOf(visitOf(r))
	part := imagePath(v.course.Slug, v.assignment.Slug)
	list, err := s.siteImages(r.Context())
	if err != nil {
		return live, false, err
	}
	live = views.ImageLiveView{Reference: ref, Pins: s.Images != nil, Released: v.assignment.ReleasedAt != nil}
	for _, i := range list {
		if i.Reference == ref {
			live.Title = i.Title
		}
	}
	if s.Images == nil {
		return live, false, nil
	}
	pin, pinned, err := s.Store.ImagePin(r.Context(), v.course.ID, ref)
	if err != nil {
		return live, false, err
	}
	jobs := map[string]store.ImageJob{}
	for kind, a := range map[string]course.AssignmentID{store.ImageFetch: 0, store.ImageNewer: 0, store.ImageTest: v.assignment.ID} {
		if jobs[kind], _, err = s.Store.ImageJob(r.Context(), store.ImageAsk{Kind: kind, Reference: ref, CourseID: v.course.ID, AssignmentID: a}); err != nil {
			return live, false, err
		}
		moving = moving || jobs[kind].Moving()
	}
	if v.teaches() {
		live.Fetch, live.Newer, live.Test = part+"/fetch", part+"/newer", part+"/test"
	}
	if pinned {
		live.Pin = s.pinView(v, pin)
	}
	live.Fetching = s.jobView(v, jobs[store.ImageFetch], "Fetching the image")
	if err := s.fillNewer(r, &live, pin, jobs[store.ImageNewer]); err != nil {
		return live, false, err
	}
	live.Trial, err = s.imageTrialView(jobs[store.ImageTest], v.course.Location(), pin.ImageID)
	return live, moving, err
}

func (s *Site) pinView(v *visit, p store.ImagePin) *views.PinView {
	out := &views.PinView{ID: imageText(p.ImageID), Full: p.ImageID, Digest: p.RepoDigest, Size: sizeText(p.Size), Built: whenIf(p.BuiltAt, s.Now(), v.course.Location(), "not known"),
		At: when(p.PinnedAt, s.Now(), v.course.Location()), Missing: p.MissingAt != nil}
	if out.Missing {
		out.Since = when(*p.MissingAt, s.Now(), v.course.Location())
	}
	return out
}

// jobView is what people see of a job; nil of one that ended well or never began.
func (s *Site) jobView(v *visit, j store.ImageJob, label string) *views.ImageJobView {
	if j.ID == 0 || j.State == "done" && j.Log == "" {
		return nil
	}
	out := &views.ImageJobView{Moving: j.Moving(), Failed: j.State == "failed", Why: j.Error, Log: j.Log}
	if j.Moving() {
		out.Progress = views.ProgressView{ID: "image-" + j.Kind, Label: label, Text: pick(j.Step == "", "Waiting for its turn", j.Step)}
		if j.TotalBytes > 0 {
			out.Progress.Value, out.Progress.Max = int(j.DoneBytes>>10), max(int(j.TotalBytes>>10), 1)
			out.Progress.Text += fmt.Sprintf(" · %s of %s", sizeText(j.DoneBytes), sizeText(j.TotalBytes))
		}
		if j.State == "queued" && j.NotBefore.After(s.Now()) {
			out.Later = true
			out.Progress.Text = "Tried again at " + wallTime(j.NotBefore, v.course.Location())
		}
	}
	return out
}

// fillNewer says what the name means by now, if that was found out since the pin
// was set.
func (s *Site) fillNewer(r *http.Request, live *views.ImageLiveView, pin store.ImagePin, j store.ImageJob) error {
	v := visitOf(r)
	live.Looking = s.jobView(v, j, "Looking for a newer image")
	if j.State != "done" || live.Pin == nil {
		return nil
	}
	var found grading.FoundImage
	if err := json.Unmarshal(j.Result, &found); err != nil {
		return fmt.Errorf("handlers: newer image: %w", err)
	}
	live.LookedAt, live.Note = when(found.At, s.Now(), v.course.Location()), found.Note
	if found.ID == pin.ImageID {
		live.Same = true
		return nil
	}
	newer := s.pinView(v, found.Pin(v.course.ID, live.Reference))
	newer.Built = whenIf(found.BuiltAt, s.Now(), v.course.Location(), "not known")
	live.Found = newer
	users, err := s.Store.ImageUsers(r.Context(), v.course.ID, live.Reference)
	for _, u := range users {
		live.Users = append(live.Users, u.Title)
	}
	if live.Newer != "" {
		live.Use = useImageConfirm(v, pin.ImageID, found.ID, live.Users)
	}
	return err
}

func useImageConfirm(v *visit, was, id string, users []string) views.ConfirmView {
	part := imagePath(v.course.Slug, v.assignment.Slug)
	return views.ConfirmView{ID: "use-newer", Title: "Use the newer image?", Action: part + "/use", Button: "Use the newer image", Kind: "primary", Back: part,
		Fields: []views.Option{{Value: "was", Text: was}, {Value: "id", Text: id}},
		Text:   "It holds for " + strings.Join(users, ", ") + ". Workspaces take it when they next start; those that run go on in the old one until they are stopped.",
		Keeps:  "Everybody's files, and the marks there are. An assignment that was autograded before goes on being graded in the image of its earlier runs, so that all its marks come from one; its Autograde page can ask for the image as it is now."}
}

// confirmUseNewer asks first, for those without scripts.
func (s *Site) confirmUseNewer(w http.ResponseWriter, r *http.Request) error {
	live, _, err := s.imageLive(r)
	if err != nil {
		return err
	}
	if live.Use.ID == "" {
		return course.Problemf(course.NotFound, "No newer image is known. Look for one first.")
	}
	page := s.coursePage(r, "Use the newer image", "")
	page.Width = "narrow"
	return s.show(w, r, views.Confirm(views.ConfirmPageView{Page: page, Confirm: live.Use}))
}

// useNewer pins the course to what the name was found to mean.
func (s *Site) useNewer(w http.ResponseWriter, r *http.Request) error {
	v, ref := visitOf(r), imageOf(visitOf(r))
	j, _, err := s.Store.ImageJob(r.Context(), store.ImageAsk{Kind: store.ImageNewer, Reference: ref, CourseID: v.course.ID})
	if err != nil {
		return err
	}
	var found grading.FoundImage
	if j.State == "done" {
		if err := json.Unmarshal(j.Result, &found); err != nil {
			return fmt.Errorf("handlers: newer image: %w", err)
		}
	}
	pin, pinned, err := s.Store.ImagePin(r.Context(), v.course.ID, ref)
	if err != nil {
		return err
	}
	// What was on the page must be what is there: somebody may have been quicker.
	if !pinned || found.ID == "" || found.ID != r.PostFormValue("id") || pin.ImageID != r.PostFormValue("was") {
		return course.Problemf(course.Conflict, "The image was changed in between. Look at the page again; nothing was changed now.")
	}
	if err := s.Store.MovePin(r.Context(), pin.ImageID, found.Pin(v.course.ID, ref), v.user.ID); err != nil {
		return err
	}
	s.flash(r, "good", "Workspaces take the newer image from their next start.")
	return seeOther(w, r, imagePath(v.course.Slug, v.assignment.Slug))
}

// askImage has a job of the assignment's image done.
func (s *Site) askImage(kind string) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		v := visitOf(r)
		if s.Images == nil {
			return course.Problemf(course.Conflict, "Workspaces are no containers on this site, so there are no images.")
		}
		ask := store.ImageAsk{Kind: kind, Reference: imageOf(v), CourseID: v.course.ID}
		if kind == store.ImageTest {
			ask.AssignmentID = v.assignment.ID
		}
		if err := s.Store.AskImage(r.Context(), ask, v.user.ID, s.Now()); err != nil {
			return err
		}
		to := imagePath(v.course.Slug, v.assignment.Slug)
		if r.PostFormValue("back") == "release" {
			to = assignmentPart(v.course.Slug, v.assignment.Slug, "release")
		}
		return seeOther(w, r, to)
	}
}

// imageEvents streams how far work with the assignment's image is, until none is
// under way; then the page is read anew.
func (s *Site) imageEvents(w http.ResponseWriter, r *http.Request) error {
	part := views.ImageLive
	if r.URL.Query().Has("short") {
		part = views.ImageShort
	}
	return s.followImage(w, r, part, func() (views.ImageLiveView, bool, error) { return s.imageLive(r) })
}

func (s *Site) followImage(w http.ResponseWriter, r *http.Request, part func(views.ImageLiveView) templ.Component, look func() (views.ImageLiveView, bool, error)) error {
	live, moving, err := look()
	if err != nil {
		return err
	}
	ev := startEvents(w)
	var last []byte
	for quiet := 0; moving; quiet++ {
		var b bytes.Buffer
		if err := part(live).Render(r.Context(), &b); err != nil {
			return nil
		}
		if !bytes.Equal(b.Bytes(), last) {
			if err := ev.text("fragment", b.String()); err != nil {
				return nil
			}
			last = b.Bytes()
		} else if quiet%30 == 29 {
			if err := ev.alive(); err != nil {
				return nil
			}
		}
		select {
		case <-r.Context().Done():
			return nil
		case <-time.After(400 * time.Millisecond):
		}
		if live, moving, err = look(); err != nil {
			return nil // the stream has begun; the browser asks again
		}
	}
	_ = ev.text("reload", "") // buttons, and maybe a release, have changed
	return nil
}
