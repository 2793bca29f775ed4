package grading

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"lectern/course/notebook"
)

// notebook executes one notebook; clean says whether the container may be used
// for the submission's next one.
func (s *sandbox) notebook(ctx context.Context, nb Rebuilt, j Job) (done Executed, clean bool, err error) {
	done = Executed{Path: nb.Path, Notebook: nb.Notebook.Clone(), Cells: make([]CellRun, len(nb.Notebook.Cells))}
	if err := s.open(ctx, nb, j); err != nil {
		return done, false, err
	}
	began, dead := time.Now(), ""
	shown := newShown(done.Notebook)
	for i := range done.Notebook.Cells {
		c, run := &done.Notebook.Cells[i], &done.Cells[i]
		switch {
		case c.Type != notebook.Code:
			continue
		case strings.TrimSpace(c.Source) == "": // Jupyter does not send these to the kernel
			run.Executed = true
			continue
		case dead != "":
			run.Reason = dead
			continue
		}
		left := j.Limits.Notebook - time.Since(began)
		if left <= 0 {
			dead = fmt.Sprintf("the notebook ran longer than %s", j.Limits.Notebook)
			done.Flags = append(done.Flags, capital(dead)+".")
			run.Reason = dead
			continue
		}
		limit := min(j.Limits.Cell, left)
		start := time.Now()
		shown.begin(i)
		a, err := s.cell(ctx, c, limit, shown.add)
		if err != nil {
			return done, false, err
		}
		run.Took = time.Since(start)
		dead = j.judge(&done, i, a, shown)
	}
	return done, s.shut(ctx) && dead == "", nil
}

// judge takes the driver's word on one cell into the result. The text is why no
// more cells can run, or nothing.
func (j Job) judge(done *Executed, i int, a answer, shown *shown) (dead string) {
	c, run := &done.Notebook.Cells[i], &done.Cells[i]
	run.Flags = a.Flags
	shown.end(c)
	if shown.cut {
		run.Flags = append(run.Flags, "Not all that the cell showed was kept.")
	}
	if a.Forged {
		done.Flags = append(done.Flags, fmt.Sprintf("While cell %d ran, the submission sent answers in the kernel's name. They were not believed.", i+1))
	}
	if a.Count > 0 {
		count := a.Count
		c.ExecutionCount = &count
	}
	switch a.Status {
	case "ok", "error":
		run.Executed, run.Failed = true, a.Status == "error"
		if a.Status == "ok" && !a.Reached {
			run.Executed, run.Reason = false, "its end was never reached, though the kernel said so"
			run.Flags = append(run.Flags, "The kernel reported success for a test that did not run to its end.")
		}
		if run.Failed && !hasError(c) {
			// As nbgrader does when a submission keeps errors from being shown.
			c.Outputs = append(c.Outputs, errorOutput("Error", "", "ERROR: An error occurred while showtraceback was disabled"))
		}
		return ""
	case "timeout":
		run.Executed, run.Failed = true, true
		// First, for it is why there is an interrupt behind it.
		c.Outputs = slices.Insert(c.Outputs, 0, errorOutput("CellTimeoutError", "", "\x1b[0;31mCellTimeoutError\x1b[0m: No reply from kernel before timeout"))
		done.Flags = append(done.Flags, fmt.Sprintf("Cell %d was stopped after %s.", i+1, j.Limits.Cell))
		return ""
	}
	switch a.Cause {
	case "memory":
		dead = "the memory limit of " + size(j.Limits.Memory) + " was exceeded"
	case "output":
		dead = "the notebook showed more than " + size(j.Limits.Output)
	case "time":
		dead = fmt.Sprintf("a cell ran longer than %s and could not be interrupted", j.Limits.Cell)
	default:
		dead = "the kernel had died"
	}
	run.Reason = dead
	done.Flags = append(done.Flags, fmt.Sprintf("Nothing ran after cell %d: %s.", i+1, dead))
	c.Outputs = append(c.Outputs, errorOutput("DeadKernelError", capital(dead), "\x1b[0;31mDeadKernelError\x1b[0m: "+capital(dead)))
	return dead
}

func hasError(c *notebook.Cell) bool {
	for _, o := range c.Outputs {
		if o.Type == notebook.ErrorOutput {
			return true
		}
	}
	return false
}

func errorOutput(name, value, trace string) notebook.Output {
	return notebook.Output{Type: notebook.ErrorOutput, Ename: name, Evalue: value, Traceback: []string{trace}}
}

func capital(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

func size(n int64) string {
	if n >= 1<<30 && n%(1<<30) == 0 {
		return fmt.Sprintf("%d GiB", n>>30)
	}
	return fmt.Sprintf("%d MiB", n>>20)
}
