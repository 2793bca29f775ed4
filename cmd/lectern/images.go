package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/riverqueue/river"

	"lectern/course"
	"lectern/grading"
	"lectern/handlers"
	"lectern/spawner"
	"lectern/spawner/container"
	"lectern/spawner/remote"
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
		h.imaging = &grading.Images{Store: h.store, Preparer: h.preparer, Engine: h.images, Checks: h.checks, Lab: lab{h}, Log: h.log, Now: time.Now}
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
	go func() { _ = h.loop(ctx, "pinned images", 15*time.Second, h.imaging.Look) }()
	return h.loop(ctx, "images", 5*time.Second, func(ctx context.Context) error { return errors.Join(h.imaging.Mend(ctx), h.dropTrials(ctx)) })
}

// lab tries images as workspaces.
type lab struct{ house *house }

// Try implements [grading.Lab].
func (l lab) Try(ctx context.Context, j store.ImageJob, say func(string)) (log string, err error) {
	h := l.house
	name := trialHome(j)
	if _, err := h.exchange.TrialHome(name); err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, h.exchange.DropTrial(name)) }()
	row, plan, err := h.trial(ctx, j)
	if err != nil {
		return "", err
	}
	log, err = h.spawner.TryImage(ctx, row, plan, say)
	var fault spawner.Fault
	if errors.As(err, &fault) {
		err = grading.LabFault(fault)
	}
	return log, err
}

func trialHome(j store.ImageJob) string {
	return spawner.TrialID(j.ID) + "-" + strconv.Itoa(j.Attempts)
}

// trial is a test in the form of a workspace: the same container, with an empty
// home of its own and nothing of a course's.
func (h *house) trial(ctx context.Context, j store.ImageJob) (row spawner.Row, plan spawner.Plan, err error) {
	row = spawner.Row{ID: spawner.TrialID(j.ID), CourseID: j.CourseID, Image: j.Reference, State: spawner.Starting, Generation: int64(j.Attempts), Token: j.Token}
	if j.CourseID != 0 {
		pin, _, err := h.store.ImagePin(ctx, j.CourseID, j.Reference)
		if err != nil {
			return row, plan, err
		}
		row.Pinned = pin.ImageID
	}
	home, err := h.exchange.TrialHome(trialHome(j))
	if err != nil {
		return row, plan, err
	}
	return row, spawner.Plan{User: strconv.Itoa(workspaceUID) + ":" + strconv.Itoa(workspaceGID), Home: home,
		Mounts: h.labMounts(), Limits: h.within(container.Limits{})}, nil
}

// trialSpec is the container of a test that runs at this start, for the process
// that has the engine.
func (h *house) trialSpec(ctx context.Context, realm string, n, generation int64) (container.Spec, error) {
	j, err := h.store.ImageJobByID(ctx, n)
	switch {
	case course.IsKind(err, course.NotFound):
		return container.Spec{}, fmt.Errorf("test %d has no row: %w", n, container.ErrNotFound)
	case err != nil:
		return container.Spec{}, errors.Join(container.ErrEngineDown, err)
	case realm == "", !trialAt(j, generation):
		return container.Spec{}, fmt.Errorf("test %d, asked for at %d, is %s at %d: %w", n, generation, j.State, j.Attempts, remote.ErrStale)
	}
	row, plan, err := h.trial(ctx, j)
	if err != nil {
		return container.Spec{}, fmt.Errorf("test %d: %w", n, errors.Join(container.ErrMount, err))
	}
	return spawner.Template(realm, row, plan), nil
}

func trialAt(j store.ImageJob, generation int64) bool {
	return j.Kind == store.ImageTest && j.State == "running" && int64(j.Attempts) == generation
}

// trialLives reports whether a test is at this start now.
func (h *house) trialLives(ctx context.Context, n, generation int64) (bool, error) {
	j, err := h.store.ImageJobByID(ctx, n)
	if course.IsKind(err, course.NotFound) {
		return false, nil
	}
	return err == nil && trialAt(j, generation), err
}

// dropTrials removes the homes of tests whose Lectern was killed.
func (h *house) dropTrials(ctx context.Context) error {
	names, err := h.exchange.Trials()
	if err != nil {
		return err
	}
	var faults []error
	for _, name := range names {
		var n, generation int64
		if _, err := fmt.Sscanf(name, "test-%d-%d", &n, &generation); err != nil {
			continue
		}
		live, err := h.trialLives(ctx, n, generation)
		if err == nil && !live {
			err = h.exchange.DropTrial(name)
		}
		faults = append(faults, err)
	}
	return errors.Join(faults...)
}
