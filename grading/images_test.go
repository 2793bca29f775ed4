package grading_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"lectern/course"
	"lectern/grading"
	"lectern/spawner/container"
	"lectern/store"
)

// shelf is an engine's images and a registry's, by name or id.
type shelf struct {
	here, there map[string]container.Image
	silent      bool
	registry    error // instead of any answer
	fetched     []string
}

func (s *shelf) Image(_ context.Context, ref string) (container.Image, error) {
	if s.silent {
		return container.Image{}, container.ErrEngineDown
	}
	if got, ok := s.here[ref]; ok {
		return got, nil
	}
	return container.Image{}, fmt.Errorf("%s: %w", ref, container.ErrImageMissing)
}

func (s *shelf) Fetch(ctx context.Context, ref string, newer bool, see func(container.Fetching)) (container.Image, error) {
	got, err := s.Image(ctx, ref)
	if err == nil && !newer || err != nil && !errors.Is(err, container.ErrImageMissing) || strings.HasPrefix(ref, "sha256:") {
		return got, err
	}
	s.fetched = append(s.fetched, ref)
	see(container.Fetching{Text: "Downloading", Done: 1, Total: 2})
	if s.registry != nil {
		return container.Image{}, s.registry
	}
	if got, ok := s.there[ref]; ok {
		s.here[ref], s.here[got.ID] = got, got
		return got, nil
	}
	return container.Image{}, container.ErrNoSuchImage
}

func image(id string) container.Image {
	return container.Image{Ref: testImage, ID: "sha256:" + id, RepoDigest: "lectern/notebook@sha256:" + id, Size: 1 << 20}
}

func (h *hall) images(s *shelf) *grading.Images {
	return &grading.Images{Store: h.store, Preparer: h.preparer, Engine: s, Log: slog.New(slog.DiscardHandler), Now: time.Now,
		Wait: []time.Duration{}, Beat: 20 * time.Millisecond}
}

// work asks for a job and does it.
func (h *hall) work(t *testing.T, m *grading.Images, kind string) store.ImageJob {
	t.Helper()
	ask := store.ImageAsk{Kind: kind, Reference: testImage, CourseID: h.course.ID}
	ok(t, h.store.AskImage(t.Context(), ask, h.user, time.Now()))
	j, _, err := h.store.ImageJob(t.Context(), ask)
	ok(t, err)
	ok(t, m.Next(t.Context(), j.ID))
	j, _, err = h.store.ImageJob(t.Context(), ask)
	ok(t, err)
	return j
}

func TestAReleaseThatWaitedComesWithItsImage(t *testing.T) {
	t.Parallel()
	h := newHall(t, nil)
	s := &shelf{here: map[string]container.Image{}, there: map[string]container.Image{}}
	m := h.images(s)
	if ready, err := m.Settle(t.Context(), h.course.ID, testImage, h.user); ready || err != nil {
		t.Fatalf("an image that is nowhere is settled: %v, %v", ready, err)
	}
	ok(t, h.store.AskRelease(t.Context(), h.a.ID, h.user, time.Now()))
	if j := h.work(t, m, store.ImageFetch); j.State != "failed" || !strings.Contains(j.Error, "no such image") {
		t.Fatalf("without the image: %s: %s", j.State, j.Error)
	}
	if at, err := h.store.ReleaseAsked(t.Context(), h.a.ID); at == nil || err != nil {
		t.Fatalf("the release is forgotten: %v, %v", at, err)
	}
	s.there[testImage] = image("a")
	if j := h.work(t, m, store.ImageFetch); j.State != "done" {
		t.Fatalf("with the image: %s: %s", j.State, j.Error)
	}
	if at, err := h.store.ReleaseAsked(t.Context(), h.a.ID); at != nil || err != nil {
		t.Errorf("the release still waits: %v, %v", at, err)
	}
	if ready, err := m.Settle(t.Context(), h.course.ID, testImage, h.user); !ready || err != nil {
		t.Errorf("a pinned image is not settled: %v, %v", ready, err)
	}
}

func TestWhatANameMeansByNow(t *testing.T) {
	t.Parallel()
	h := newHall(t, nil)
	s := &shelf{here: map[string]container.Image{testImage: image("a"), "sha256:a": image("a")}, there: map[string]container.Image{testImage: image("b")}}
	m := h.images(s)
	if ready, err := m.Settle(t.Context(), h.course.ID, testImage, h.user); !ready || err != nil {
		t.Fatalf("an image that is there is not settled: %v, %v", ready, err)
	}
	found := func(want, note string) {
		t.Helper()
		j := h.work(t, m, store.ImageNewer)
		var f grading.FoundImage
		ok(t, json.Unmarshal(j.Result, &f))
		if j.State != "done" || f.ID != want || !strings.Contains(f.Note, note) || (note == "") != (f.Note == "") {
			t.Errorf("it means %+v (%s: %s), want %s with a note of %q", f, j.State, j.Error, want, note)
		}
	}
	found("sha256:b", "")
	if p, _, err := h.store.ImagePin(t.Context(), h.course.ID, testImage); err != nil || p.ImageID != "sha256:a" {
		t.Errorf("to look has moved the pin: %+v, %v", p, err)
	}
	// Built anew on the engine, with no registry to be asked.
	s.registry, s.here[testImage] = container.ErrRegistry, image("c")
	found("sha256:c", "What the engine has under the name counts")
}

func TestAnImageThatIsGoneIsFetchedByItsDigest(t *testing.T) {
	t.Parallel()
	h := newHall(t, nil)
	s := &shelf{here: map[string]container.Image{testImage: image("a"), "sha256:a": image("a")}, there: map[string]container.Image{image("a").RepoDigest: image("a")}}
	m := h.images(s)
	_, err := m.Settle(t.Context(), h.course.ID, testImage, h.user)
	ok(t, err)
	gone := func() int {
		t.Helper()
		list, err := h.store.MissingImages(t.Context())
		ok(t, err)
		return len(list)
	}
	s.silent = true
	if err := m.Look(t.Context()); !errors.Is(err, container.ErrEngineDown) || gone() != 0 {
		t.Errorf("an engine that is silent: %v, and %d images are called gone", err, gone())
	}
	s.silent, s.here = false, map[string]container.Image{}
	ok(t, m.Look(t.Context()))
	j, asked, err := h.store.ImageJob(t.Context(), store.ImageAsk{Kind: store.ImageFetch, Reference: testImage, CourseID: h.course.ID})
	ok(t, err)
	if gone() != 1 || !asked || !j.Moving() {
		t.Fatalf("%d are gone, and a fetch was asked for: %v", gone(), asked)
	}
	ok(t, m.Next(t.Context(), j.ID))
	if gone() != 0 || len(s.fetched) != 1 || s.fetched[0] != image("a").RepoDigest {
		t.Errorf("%d are gone after fetching %v", gone(), s.fetched)
	}
	// One that was built by hand is a person's to bring back.
	_, err = h.store.Pool().Exec(t.Context(), `update image_pins set repo_digest = ''`)
	ok(t, err)
	s.here = map[string]container.Image{}
	ok(t, m.Look(t.Context()))
	if j = h.work(t, m, store.ImageFetch); j.State != "failed" || !strings.Contains(j.Error, "built on the engine") {
		t.Errorf("an image built by hand: %s: %s", j.State, j.Error)
	}
}

// badLab is a laboratory that finds something.
type badLab struct{ err error }

func (l badLab) Try(_ context.Context, _ store.ImageJob, say func(string)) (string, error) {
	say("Starting JupyterLab")
	return "what it wrote", l.err
}

func TestATestTellsTheImagesFaultFromOurs(t *testing.T) {
	t.Parallel()
	h := newHall(t, nil)
	m := h.images(&shelf{here: map[string]container.Image{testImage: image("a")}})
	m.Lab = badLab{grading.LabFault("It ended.")}
	if j := h.work(t, m, store.ImageTest); j.State != "failed" || j.Error != "It ended." || j.Log != "what it wrote" || j.Failures != 1 {
		t.Errorf("the image's fault: %+v", j)
	}
	m.Wait = []time.Duration{time.Hour}
	m.Lab = badLab{container.ErrEngineDown}
	if j := h.work(t, m, store.ImageTest); j.State != "queued" || !strings.Contains(j.Error, "engine does not answer") {
		t.Errorf("our own: %+v", j)
	}
	m.Lab = badLab{}
	if j := h.work(t, m, store.ImageTest); j.State != "done" || j.Error != "" {
		t.Errorf("no fault: %+v", j)
	}
	if course.IsKind(m.Next(t.Context(), 999), course.NotFound) {
		t.Error("a ticket for nothing is an error")
	}
}

// Marks of one assignment come from one image: its first run's, which is what
// students have, until somebody asks for the image as it is now.
func TestGradersTakeWhatStudentsHave(t *testing.T) {
	t.Parallel()
	h := newHall(t, map[string]string{"student": red("01-correct")})
	pin := store.ImagePin{CourseID: h.course.ID, Reference: testImage, ImageID: "sha256:a"}
	taken := func(ask store.RunAsk) store.RunWork {
		t.Helper()
		h.ask(t, ask)
		w, err := h.store.TakeRun(t.Context(), time.Now())
		ok(t, err)
		kept, err := h.store.FinishRun(t.Context(), w, store.RunFound{Image: w.Image, ImageDigest: w.Pinned}, time.Now(), func() error { return nil })
		ok(t, err)
		if !kept {
			t.Fatal("the run was not recorded")
		}
		return w
	}
	ok(t, h.store.PinImage(t.Context(), pin, h.user))
	if w := taken(store.RunAsk{By: h.user}); w.Pinned != "sha256:a" || w.Image != testImage {
		t.Errorf("the first run takes %q of %s", w.Pinned, w.Image)
	}
	pin.ImageID = "sha256:b"
	ok(t, h.store.MovePin(t.Context(), "sha256:a", pin, h.user))
	if w := taken(store.RunAsk{By: h.user}); w.Pinned != "sha256:a" {
		t.Errorf("after a newer image was taken, a run takes %q; want that of the earlier runs", w.Pinned)
	}
	if w := taken(store.RunAsk{By: h.user, FreshImage: true}); w.Pinned != "sha256:b" {
		t.Errorf("the image as it is now is %q", w.Pinned)
	}
}
