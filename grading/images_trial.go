package grading

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"lectern/course/notebook"
	"lectern/spawner/container"
	"lectern/store"
)

// ImageTrial is what a test of an image found out.
type ImageTrial struct {
	Image string    `json:"image"` // its id
	At    time.Time `json:"at"`
	Took  []string  `json:"took"` // what was done, and how long it took, for people
	// Solution says how the assignment's solution fared; empty if none was graded.
	Solution string `json:"solution"`
}

// tested is the image that a test of this name tries: what the course is pinned
// to, or else what the name means.
func (m *Images) tested(ctx context.Context, j store.ImageJob) (string, error) {
	if j.CourseID != 0 {
		if pin, pinned, err := m.Store.ImagePin(ctx, j.CourseID, j.Reference); pinned || err != nil {
			return pin.ImageID, err
		}
	}
	return j.Reference, nil
}

// test starts JupyterLab in the image as a workspace would, has a kernel work
// something out, and grades the assignment's solution in it.
func (m *Images) test(ctx context.Context, j store.ImageJob) error {
	t := ImageTrial{At: m.Now().UTC(), Took: []string{}}
	step := func(text string) { m.say(ctx, j)(container.Fetching{Text: text}) }
	name, err := m.tested(ctx, j)
	if err != nil {
		return err
	}
	step("Fetching the image")
	got, err := m.Engine.Fetch(ctx, name, false, m.say(ctx, j))
	if err != nil {
		return err
	}
	step("Waiting for another test to end")
	m.testing.Lock()
	defer m.testing.Unlock()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	t.Image = got.ID
	began := m.Now()
	timed := func(what string) {
		t.Took = append(t.Took, fmt.Sprintf("%s: %.1f s", what, m.Now().Sub(began).Seconds()))
		began = m.Now()
	}
	if m.Lab == nil {
		return errors.New("grading: nothing starts JupyterLab here")
	}
	log, err := m.Lab.Try(ctx, j, step)
	if err == nil {
		timed("JupyterLab started and a kernel worked out 1 + 1")
		if j.AssignmentID != 0 {
			step("Grading the solution")
			if t.Solution, err = m.solution(ctx, j, got.ID); err == nil {
				timed("The solution was graded")
			}
		}
	}
	var fault LabFault
	if errors.As(err, &fault) {
		return m.Store.FailImageJob(ctx, j, string(fault), tail(log), t, m.Now(), time.Time{})
	}
	if err != nil {
		return err
	}
	_, err = m.Store.EndImageJob(ctx, j, t, tail(log), m.Now())
	return err
}

// solution grades the assignment's solution in the image, like work handed in.
func (m *Images) solution(ctx context.Context, j store.ImageJob, image string) (string, error) {
	w, ok, err := m.Store.Checkable(ctx, j.AssignmentID)
	if err != nil {
		return "", err
	}
	if !ok {
		return "There is no checked source yet, so no solution was graded.", nil
	}
	a, err := loadAssignment(ctx, m.Store, m.Checks.Exchange, w.AssignmentID, w.SourceVersion, w.CourseSlug, w.Slug, image)
	if err != nil {
		return "", err
	}
	a.Rules = notebook.Rules{Exact: w.Exact}
	solved, err := m.Checks.solved(ctx, w)
	if err != nil {
		return "", err
	}
	g, err := m.Checks.Runner.Autograde(ctx, a, solved)
	if errors.Is(err, ErrKernel) {
		return "", LabFault("The image has no kernel of the kind that the assignment's notebooks name.")
	}
	if err != nil {
		return "", err
	}
	return scored(g)
}

// scored says what the tests gave the solution; less than everything is a fault.
func scored(g *Graded) (string, error) {
	var points, most float64
	var short []string
	for _, nb := range g.Notebooks {
		for _, mark := range nb.Marks {
			if mark.Kind != notebook.KindTests {
				continue
			}
			most += mark.Max
			if mark.Points != nil {
				points += *mark.Points
			}
			if mark.Points == nil || *mark.Points < mark.Max {
				short = append(short, mark.GradeID)
			}
		}
	}
	of := fmt.Sprintf("%g of %g points", points, most)
	if g.Failed != "" {
		return "", LabFault("The solution could not be graded in this image: " + clean(g.Failed))
	}
	if len(short) > 0 {
		return "", LabFault(fmt.Sprintf("The solution earns only %s in this image. It falls short in %s.", of, strings.Join(clipList(short, 5), ", ")))
	}
	return "The solution earns full marks: " + of + ".", nil
}
