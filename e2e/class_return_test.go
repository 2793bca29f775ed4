package e2e_test

import (
	"context"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// giveBack makes everybody's feedback and returns it, in the browser.
func (r *realClass) giveBack() {
	p, t, ctx := r.teacher, r.p.t, context.Background()
	handed := r.countOf(func(k kind) bool { return !k.never })
	p.goTo(projectPath + "/feedback")
	p.seeText(fmt.Sprintf("%d of these %d have no feedback page", handed, handed))
	began := time.Now()
	p.click(`//button[contains(., "Make feedback")][not(contains(., "selected"))]`)
	patient(t, "the feedback pages", 5*time.Minute, func() bool {
		counts, err := r.FeedbackCounts(ctx, r.assignment.ID)
		return err == nil && counts.Ready == handed && counts.Unmade == 0
	})
	took := time.Since(began)
	t.Logf("feedback: %d pages in %v, %.0f a second; %s", 2*handed, took.Round(100*time.Millisecond), float64(2*handed)/took.Seconds(), load())
	p.goTo(projectPath + "/feedback")
	p.seeText(fmt.Sprintf("Return all ready (%d)", handed))
	if strings.Contains(p.text("body"), "no feedback page") {
		t.Error("with everybody's pages made it still says that some have none")
	}
	p.looks("c14-feedback")
	p.calm()
	began = time.Now()
	p.click(`//a[contains(., "Return all ready")]`)
	p.click(`//dialog[@open]//button[@type="submit" and not(@formmethod)]`)
	patient(t, "everybody's feedback to be returned", 5*time.Minute, func() bool {
		counts, err := r.FeedbackCounts(ctx, r.assignment.ID)
		return err == nil && counts.Returned == handed
	})
	t.Logf("returned to %d students in %v; %s", handed, time.Since(began).Round(100*time.Millisecond), load())
	p.goTo(projectPath + "/feedback")
	p.looks("c15-returned")
	p.calm()
	r.noSecretLeft()
}

// noSecretLeft looks for the hidden tests in everything that students were given.
func (r *realClass) noSecretLeft() {
	pages := 0
	for _, dir := range []string{"feedback", "release"} {
		err := filepath.WalkDir(filepath.Join(r.p.data, "courses", "demo", dir), func(path string, e fs.DirEntry, err error) error {
			if err != nil || e.IsDir() {
				return err
			}
			text, err := os.ReadFile(path)
			for _, hidden := range []string{secret, "BEGIN HIDDEN TESTS", "MARK SCHEME", "np.arange(5.0)"} {
				if strings.Contains(string(text), hidden) {
					r.p.t.Errorf("%s tells %q", path, hidden)
				}
			}
			if strings.HasSuffix(path, ".html") && strings.Contains(path, project) {
				pages++
			}
			return err
		})
		must(r.p.t, err)
	}
	if want := r.pages(); pages != want {
		r.p.t.Errorf("%d feedback pages lie there, want %d", pages, want)
	}
}

// pages is how many feedback pages there have to be: two for everybody who handed
// something in, since a notebook that was not there is graded as missing.
func (r *realClass) pages() int { return 2 * r.countOf(func(k kind) bool { return !k.never }) }

// total is what the student's page says: "12.5 of 15 points".
func (p pupil) total() string {
	if p.lost() > 0 {
		return fmt.Sprintf("%v of 15 points, after %v taken off for lateness", plainly(p.earned()-p.lost()), plainly(p.lost()))
	}
	return fmt.Sprintf("%v of 15 points", plainly(p.earned()))
}

// plainly is a number of points as people write it.
func plainly(p float64) string {
	return strings.TrimSuffix(strings.TrimRight(fmt.Sprintf("%.2f", p), "0"), ".")
}

// seeAsStudents lets students find what came back: one who saw nothing but
// visible tests, in a window of a phone, and others by HTTP.
func (r *realClass) seeAsStudents() {
	t := r.p.t
	phone := r.first(func(p pupil) bool { return p.kind.name == "right as far as one sees" && remarked(p.figure) })
	s := visitor(r.t(), r.browser, r.p.url(), phone.login)
	s.enter()
	s.size(390, 844)
	s.goTo(projectPath)
	s.seeText("Returned")
	s.seeText(phone.total())
	s.shoot("c16-student-390")
	s.calm()
	s.dark(true)
	s.shoot("c16-student-390-dark")
	s.dark(false)
	for name, want := range map[string][]string{"1-noise.html": {"Partial credit", "AssertionError"}, "2-growth.html": {"Label the axes."}} {
		s.goTo(projectPath)
		s.click(`//a[contains(., "` + name + `")]`)
		for _, text := range want {
			s.seeText(text)
		}
		if at := s.where(); !strings.Contains(at, ".content.localhost") || s.eval(`String(window.origin)`) != "null" {
			t.Errorf("%s is shown at %s with the origin %s, want a content host's sandbox", name, at, s.eval(`String(window.origin)`))
		}
		for _, hidden := range []string{secret, "HIDDEN", "np.arange(5.0)"} {
			if strings.Contains(s.eval(`document.documentElement.outerHTML`), hidden) {
				t.Errorf("%s shows %q to its student", name, hidden)
			}
		}
		s.shoot("c17-" + name)
	}
	late := r.first(func(p pupil) bool { return p.kind.late && p.lost() > 0 })
	never := r.first(func(p pupil) bool { return p.kind.never })
	for p, want := range map[*pupil]string{late: late.total(), never: "Not started"} {
		if got := r.p.as(p.login).mustGet(projectPath); got.status != http.StatusOK || !strings.Contains(got.body, want) {
			t.Errorf("%s (%s) does not see %q: %d", p.login, p.kind.name, want, got.status)
		}
	}
}

func (r *realClass) first(is func(pupil) bool) *pupil {
	for i := range r.pupils {
		if is(r.pupils[i]) {
			return &r.pupils[i]
		}
	}
	r.p.t.Fatal("the class has nobody of the kind")
	return nil
}
