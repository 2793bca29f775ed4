package main

import (
	"context"
	"time"

	"github.com/riverqueue/river"

	"lectern/grading"
	"lectern/handlers"
	"lectern/store"
)

// imageWorker does work with images.
type imageWorker struct {
	river.WorkerDefaults[store.ImageArgs]
	images *grading.Images
}

// Work does one job. Without images there is none.
func (w *imageWorker) Work(ctx context.Context, job *river.Job[store.ImageArgs]) error {
	if w.images == nil {
		return nil
	}
	return w.images.Next(ctx, job.Args.ID)
}

// Timeout is the job's own concern: a download may take its time.
func (w *imageWorker) Timeout(*river.Job[store.ImageArgs]) time.Duration { return -1 }

// imagery makes what fetches, pins and tests images; nothing where workspaces are
// plain processes.
func (h *house) imagery() {
	if h.images != nil {
		h.imaging = &grading.Images{Store: h.store, Preparer: h.preparer, Engine: h.images, Checks: h.checks, Log: h.log, Now: time.Now}
	}
}

// pins is what the web face asks; a nil of its own kind is no nil of an interface.
func (h *house) pins() handlers.Images {
	if h.imaging == nil {
		return nil
	}
	return h.imaging
}

// runImages takes back the work of a killed Lectern and looks whether pinned
// images are still there, until ctx ends.
func (h *house) runImages(ctx context.Context) error {
	if h.imaging == nil {
		return nil
	}
	go func() { _ = h.loop(ctx, "pinned images", time.Minute, h.imaging.Look) }()
	return h.loop(ctx, "images", 5*time.Second, h.imaging.Mend)
}
