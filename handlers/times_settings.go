package handlers

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"lectern/course"
	"lectern/store"
	"lectern/views"
)

// courseTimes shows how long the course's workspaces stay.
func (s *Site) courseTimes(w http.ResponseWriter, r *http.Request) error {
	t, err := s.Store.CourseTimes(r.Context(), visitOf(r).course.ID)
	if err != nil {
		return err
	}
	return s.showTimes(w, r, http.StatusOK, func(name string) string {
		return map[string]string{"idle": minutes(t.IdleAfter), "age": minutes(t.MaxAge), "warn": minutes(t.WarnBefore), "kernels": minutes(t.KernelsAfter)}[name]
	}, nil)
}

// minutes is a time as its field has it; nothing for none.
func minutes(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return strconv.Itoa(int(d / time.Minute))
}

func (s *Site) showTimes(w http.ResponseWriter, r *http.Request, status int, value func(string) string, errs []views.FieldError) error {
	v := visitOf(r)
	field := func(name, label, hint string) views.FieldView {
		return views.FieldView{Name: name, Label: label, Hint: hint, Value: value(name), Suffix: "minutes", Short: true, Optional: true, InputMode: "numeric", Error: errorOf(errs, name)}
	}
	p := views.CourseTimesView{Page: s.coursePage(r, "How long workspaces stay", "settings"), Action: courseTimesPath(v.course.Slug), Back: settingsPath(v.course.Slug), Errors: errs, Fields: []views.FieldView{
		field("idle", "Stop when idle for", "No cell runs, nothing is printed and nobody types. "+siteTime(s.IdleAfter, "The site stops none for that.", "At most and if left empty, %s.")),
		field("warn", "Warn before", "On every page of the site, and in JupyterLab. If left empty, "+lasting(s.WarnBefore)+"."),
		field("age", "Stop in any case after", "Even if a cell runs; from the start of the workspace. "+siteTime(s.MaxAge, "The site stops none for that.", "At most and if left empty, %s.")+" A change holds for workspaces that start from now on."),
		field("kernels", "End idle kernels after", "Frees memory before the workspace is stopped. Its student loses what the kernel held: variables and loaded data, not files. If left empty, kernels stay until the workspace is stopped. A kernel that runs a cell is never ended by this."),
	}}
	return s.showStatus(w, r, status, views.CourseTimes(p))
}

func siteTime(d time.Duration, none, text string) string {
	if d == 0 {
		return none
	}
	return fmt.Sprintf(text, lasting(d))
}

// saveCourseTimes sets them, within the site's.
func (s *Site) saveCourseTimes(w http.ResponseWriter, r *http.Request) error {
	v := visitOf(r)
	t, err := s.readTimes(r)
	if err == nil {
		err = s.Store.InTx(r.Context(), func(tx *store.Store) error {
			if err := tx.SaveCourseTimes(r.Context(), v.course.ID, t); err != nil {
				return err
			}
			return tx.Record(r.Context(), course.Activity{Actor: v.user.ID, CourseID: v.course.ID, Verb: "changed how long workspaces stay",
				Detail: strings.Join([]string{"idle", dash(t.IdleAfter), "warning", dash(t.WarnBefore), "age", dash(t.MaxAge), "kernels", dash(t.KernelsAfter)}, " ")})
		})
	}
	if errs, ok := formErrors(err); ok {
		return s.showTimes(w, r, http.StatusUnprocessableEntity, r.PostFormValue, errs)
	}
	if err != nil {
		return err
	}
	s.flash(r, "good", "Saved.")
	return seeOther(w, r, settingsPath(v.course.Slug))
}

func dash(d time.Duration) string {
	if d == 0 {
		return "–"
	}
	return lasting(d)
}

// readTimes reads the form. What is left empty is 0.
func (s *Site) readTimes(r *http.Request) (t store.Times, err error) {
	var ps course.Problems
	for _, f := range []struct {
		name      string
		to        *time.Duration
		least     time.Duration
		most      time.Duration // 0 is none
		otherwise string
	}{
		{"idle", &t.IdleAfter, 5 * time.Minute, s.IdleAfter, "The site allows at most %s."},
		{"warn", &t.WarnBefore, time.Minute, time.Hour, "A warning comes at most %s before."},
		{"age", &t.MaxAge, 30 * time.Minute, s.MaxAge, "The site allows at most %s."},
		{"kernels", &t.KernelsAfter, 5 * time.Minute, 0, ""},
	} {
		text := strings.TrimSpace(r.PostFormValue(f.name))
		if text == "" {
			continue
		}
		n, err := strconv.Atoi(text)
		d := time.Duration(n) * time.Minute
		switch {
		case err != nil || n > 60*24*365:
			ps = append(ps, course.Fieldf(f.name, "Give a whole number of minutes."))
		case d < f.least:
			ps = append(ps, course.Fieldf(f.name, "Give %s at least.", lasting(f.least)))
		case f.most > 0 && d > f.most:
			ps = append(ps, course.Fieldf(f.name, f.otherwise, lasting(f.most)))
		}
		*f.to = d
	}
	idle := t.IdleAfter
	if idle == 0 {
		idle = s.IdleAfter
	}
	if len(ps) == 0 && idle > 0 && t.KernelsAfter >= idle {
		ps = append(ps, course.Fieldf("kernels", "Kernels end before the workspace does: give less than %s.", lasting(idle)))
	}
	warn := t.WarnBefore
	if warn == 0 {
		warn = s.WarnBefore
	}
	if len(ps) == 0 && idle > 0 && warn >= idle {
		ps = append(ps, course.Fieldf("warn", "The warning comes after some rest: give less than %s.", lasting(idle)))
	}
	return t, ps.OrNil()
}
