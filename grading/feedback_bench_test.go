package grading_test

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"

	"lectern/course"
	"lectern/course/notebook"
	"lectern/exchange"
	"lectern/grading"
	"lectern/static"
	"lectern/store"
)

// BenchmarkFeedback makes feedback of a class, from the job to the staged page,
// with everything that takes: the database, reading, rendering, fsync. One worker
// a core, each student with a notebook of another kind.
func BenchmarkFeedback(b *testing.B) {
	names, err := filepath.Glob("testdata/redteam/*.ipynb")
	ok(b, err)
	work := map[string]string{}
	for i := range 60 {
		work[fmt.Sprintf("student%02d", i)] = names[i%len(names)]
	}
	h := newHall(b, work)
	h.ask(b, store.RunAsk{})
	runs := h.graders(doctor(full))
	for range work {
		ok(b, runs.Next(b.Context()))
	}
	if got := h.scalar(b, `select count(*) from runs where effective`); got != "60" {
		b.Fatalf("%s are graded", got)
	}
	feedback := h.feedback()
	feedback.Style = static.Inline()
	for b.Loop() {
		b.ReportMetric(h.makeFeedback(b, feedback, 60), "submissions/s/core")
	}
	if got := h.scalar(b, `select count(*) from feedback_jobs where state <> 'done'`); got != "0" {
		b.Errorf("%s were not made", got)
	}
}

// makeFeedback makes the pages of everybody, and says how many students a second and core.
func (h *hall) makeFeedback(b *testing.B, feedback *grading.Feedback, students int) float64 {
	at := time.Now().UTC().Truncate(time.Microsecond)
	n, err := h.store.AskFeedback(b.Context(), h.a.ID, nil, h.user, at)
	ok(b, err)
	if n != students {
		b.Fatalf("asked for %d, want %d", n, students)
	}
	began := time.Now()
	var workers sync.WaitGroup
	jobs := make(chan store.FeedbackArgs, n)
	for _, m := range h.members {
		jobs <- store.FeedbackArgs{AssignmentID: h.a.ID, MemberID: m, AskedAt: at.UnixMicro()}
	}
	close(jobs)
	for range runtime.NumCPU() {
		workers.Go(func() {
			for args := range jobs {
				if err := feedback.Make(b.Context(), args, true); err != nil {
					b.Error(err)
				}
			}
		})
	}
	workers.Wait()
	return float64(n) / time.Since(began).Seconds() / float64(runtime.NumCPU())
}

// BenchmarkFeedbackOfTwoNotebooks makes feedback of the work that nbgrader's figure
// is of: two notebooks with numpy and matplotlib, run once for all in a sealed
// container, with an answer and pictures of each student's own.
func BenchmarkFeedbackOfTwoNotebooks(b *testing.B) {
	const students = 60
	h := newHall(b, nil)
	dir := withPictures(b)
	h.setBenchSource(b, dir)
	graded, err := newRunner(b).Autograde(b.Context(), assignment(b, dir, grading.DefaultLimits), filesIn(b, dir))
	ok(b, err)
	for i := range students {
		h.handInBench(b, fmt.Sprintf("student%02d", i), dir)
	}
	h.ask(b, store.RunAsk{})
	student, pictures := 0, 0
	runs := h.graders(doctor(func(context.Context, *grading.Assignment) (*grading.Graded, error) {
		student++
		own := *graded
		own.Notebooks = slices.Clone(graded.Notebooks)
		for i := range own.Notebooks {
			nb, err := notebook.Parse(own.Notebooks[i].Notebook.Bytes())
			if err != nil {
				return nil, err
			}
			pictures += ofStudent(nb, student)
			own.Notebooks[i].Notebook = nb
		}
		return &own, nil
	}))
	for range students {
		ok(b, runs.Next(b.Context()))
	}
	if pictures != 4*students {
		b.Fatalf("%d pictures of %d students, want four each", pictures, students)
	}
	feedback := h.feedback()
	feedback.Style = static.Inline()
	for b.Loop() {
		before := ownCPU(b)
		b.ReportMetric(h.makeFeedback(b, feedback, students), "submissions/s/core")
		b.ReportMetric(float64((ownCPU(b)-before).Microseconds())/1000/students, "cpu-ms/submission")
	}
	if got := h.scalar(b, `select count(*) from feedback_jobs where state <> 'done'`); got != "0" {
		b.Errorf("%s were not made", got)
	}
	if got := h.scalar(b, `select sum((select sum((f->>'bytes')::int) from jsonb_array_elements(staged_files) f)) / count(*) / 2 from feedbacks`); len(got) < 6 {
		b.Errorf("a page has %s bytes, which is too few for two pictures", got)
	}
}

// ownCPU is what this process has used: its figure holds on a busy machine too, but
// leaves out the database.
func ownCPU(b *testing.B) time.Duration {
	var u syscall.Rusage
	ok(b, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// ofStudent makes the answers and the pictures of a notebook a student's own, and
// counts the pictures.
func ofStudent(nb *notebook.Notebook, student int) (pictures int) {
	for i := range nb.Cells {
		c := &nb.Cells[i]
		if m, ok := c.Meta(); ok && m.Solution {
			c.Source += fmt.Sprintf("\n# by student %d", student)
		}
		for _, o := range c.Outputs {
			text, ok := o.Data["image/png"].(string)
			if !ok {
				continue
			}
			png, err := base64.StdEncoding.DecodeString(strings.ReplaceAll(text, "\n", ""))
			if err != nil {
				continue
			}
			// A comment before the last chunk, which has no content.
			said := append([]byte("tEXt"), fmt.Sprintf("Comment\x00%06d", student)...)
			end := len(png) - 12
			own := binary.BigEndian.AppendUint32(slices.Clone(png[:end]), uint32(len(said)-4))
			own = binary.BigEndian.AppendUint32(append(own, said...), crc32.ChecksumIEEE(said))
			o.Data["image/png"] = base64.StdEncoding.EncodeToString(append(own, png[end:]...))
			pictures++
		}
	}
	return pictures
}

// withPictures is a directory with the two notebooks of testdata/bench, whose plots
// become pictures.
func withPictures(b *testing.B) string {
	dir := b.TempDir()
	for _, name := range []string{"p1.ipynb", "p2.ipynb"} {
		data, err := os.ReadFile(filepath.Join("testdata/bench", name))
		ok(b, err)
		text := strings.Replace(string(data), `"import numpy`, `"%matplotlib inline\n", "import numpy`, 1)
		ok(b, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
	}
	return dir
}

// setBenchSource gives the assignment these two notebooks.
func (h *hall) setBenchSource(b *testing.B, dir string) {
	up, err := h.exchange.NewUpload("c")
	ok(b, err)
	defer up.Discard()
	for _, name := range []string{"p1.ipynb", "p2.ipynb"} {
		data, err := os.Open(filepath.Join(dir, name))
		ok(b, err)
		ok(b, up.Add(b.Context(), name, data))
		ok(b, data.Close())
	}
	_, err = up.Import(b.Context(), "ps1", true)
	ok(b, err)
	_, err = h.store.BumpSource(b.Context(), h.a.ID)
	ok(b, err)
	report, err := h.preparer.Prepare(b.Context(), h.course, h.a.ID)
	ok(b, err)
	if !report.OK() {
		b.Fatalf("the source has problems: %v", report.Problems)
	}
	ok(b, h.preparer.Release(b.Context(), h.course, h.a.ID, time.Now()))
}

// handInBench hands in the same two notebooks.
func (h *hall) handInBench(b *testing.B, login, from string) {
	h.handIn(b, login, filepath.Join(from, "p1.ipynb")) // makes the student and the working copy
	data, err := os.ReadFile(filepath.Join(from, "p2.ipynb"))
	ok(b, err)
	dir, err := h.exchange.Layout.WorkingCopy("c", login, "ps1")
	ok(b, err)
	ok(b, os.WriteFile(filepath.Join(dir, "p2.ipynb"), data, 0o644))
	_, err = h.collector.Take(b.Context(), exchange.Work{Course: "c", Login: login, Assignment: "ps1"},
		course.Submission{AssignmentID: h.a.ID, MemberID: h.members[login], Kind: course.BySubmit, TakenAt: time.Now().UTC().Truncate(time.Microsecond)}, uuid.New(), h.user)
	ok(b, err)
}
