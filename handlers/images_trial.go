package handlers

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"lectern/course"
	"lectern/grading"
	"lectern/store"
	"lectern/views"
)

// imageTrialView prints where the test of an image stands. now is the id of the
// image that would be tested, "" if that is not known.
func (s *Site) imageTrialView(j store.ImageJob, loc *time.Location, now string) (out views.ImageTrialView, err error) {
	out.State, out.StateText = testState(j)
	if j.ID == 0 {
		return out, nil
	}
	var found grading.ImageTrial
	if err := json.Unmarshal(j.Result, &found); err != nil {
		return out, fmt.Errorf("handlers: image test: %w", err)
	}
	out.Why, out.Log, out.Failed = j.Error, j.Log, j.State == "failed"
	if j.Moving() {
		out.Progress = views.ProgressView{ID: "image-test", Label: "Testing the image", Text: pick(j.Step == "", "Waiting for its turn", j.Step)}
		if j.TotalBytes > 0 {
			out.Progress.Text += fmt.Sprintf(" · %s of %s", sizeText(j.DoneBytes), sizeText(j.TotalBytes))
		}
		return out, nil
	}
	out.Took, out.Solution, out.Image = found.Took, found.Solution, imageText(found.Image)
	if j.EndedAt != nil {
		out.At = when(*j.EndedAt, s.Now(), loc)
	}
	out.Stale = now != "" && found.Image != "" && found.Image != now
	return out, nil
}

// siteTestPage is the test of an image of the list, without any assignment.
func (s *Site) siteTestPage(w http.ResponseWriter, r *http.Request) error {
	i, err := s.listedImage(r)
	if err != nil {
		return err
	}
	live, moving, err := s.siteTest(r, i)
	if err != nil {
		return err
	}
	p := views.ImageView{Page: s.page(r, "Test an image"), Live: live, SiteTest: true}
	p.Page.Crumbs = []views.Crumb{{Text: "Administration", URL: adminPath}, {Text: "Images", URL: adminImagesPath}, {Text: i.Title}}
	if moving {
		p.Events = imageQuery(adminImagesPath+"/test/events", i.Reference)
	}
	return s.show(w, r, views.Image(p))
}

func (s *Site) siteTest(r *http.Request, i store.ListedImage) (views.ImageLiveView, bool, error) {
	j, _, err := s.Store.ImageJob(r.Context(), store.ImageAsk{Kind: store.ImageTest, Reference: i.Reference})
	if err != nil {
		return views.ImageLiveView{}, false, err
	}
	live := views.ImageLiveView{Title: i.Title, Reference: i.Reference, Pins: s.Images != nil, SiteTest: true, Test: imageQuery(adminImagesPath+"/test", i.Reference)}
	live.Trial, err = s.imageTrialView(j, visitOf(r).course.Location(), "")
	return live, j.Moving(), err
}

// siteTestEvents streams how far such a test is.
func (s *Site) siteTestEvents(w http.ResponseWriter, r *http.Request) error {
	i, err := s.listedImage(r)
	if err != nil {
		return err
	}
	return s.followImage(w, r, views.ImageLive, func() (views.ImageLiveView, bool, error) { return s.siteTest(r, i) })
}

// startSiteTest has an image of the list tested.
func (s *Site) startSiteTest(w http.ResponseWriter, r *http.Request) error {
	i, err := s.listedImage(r)
	if err != nil {
		return err
	}
	if s.Images == nil {
		return course.Problemf(course.Conflict, "Workspaces are no containers on this site, so there are no images.")
	}
	if err := s.Store.AskImage(r.Context(), store.ImageAsk{Kind: store.ImageTest, Reference: i.Reference}, visitOf(r).user.ID, s.Now()); err != nil {
		return err
	}
	return seeOther(w, r, imageQuery(adminImagesPath+"/test", i.Reference))
}
