package handlers

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"lectern/course"
	"lectern/views"
)

// lateForm is the rule as a form, or the form that came back in in.
func lateForm(rule course.LateRule, action string, errs []views.FieldError, in map[string]string) views.LateFormView {
	v := views.LateFormView{Action: action, Unit: rule.Unit, Errs: map[string]string{}}
	if rule.Percent > 0 {
		v.Percent = formatPoints(&rule.Percent)
	}
	if rule.Cap < 100 {
		v.Cap = formatPoints(&rule.Cap)
	}
	if rule.Grace > 0 {
		v.Grace = strconv.Itoa(int(rule.Grace / time.Minute))
	}
	if rule.ZeroAfter != nil {
		v.After = strconv.Itoa(*rule.ZeroAfter)
	}
	if _, came := in["late_unit"]; came {
		v.Unit, v.Percent, v.Cap, v.Grace, v.After = in["late_unit"], in["late_percent"], in["late_cap"], in["late_grace"], in["late_zero_after"]
	}
	for _, e := range errs {
		v.Errs[e.Field] = e.Text
	}
	return v
}

// readLate reads the rule out of its form.
func readLate(in map[string]string) (course.LateRule, error) {
	rule := course.LateRule{Unit: in["late_unit"], Cap: 100}
	var ps course.Problems
	share := func(field string, to *float64) {
		p, why := course.ParsePoints(strings.TrimSuffix(strings.TrimSpace(in[field]), "%"))
		if why != "" {
			ps = append(ps, course.Fieldf(field, "A percentage is from 0 to 100."))
		} else if p != nil {
			*to = *p
		}
	}
	whole := func(field, what string) *int {
		s := strings.TrimSpace(in[field])
		if s == "" {
			return nil
		}
		n, err := strconv.Atoi(s)
		if err != nil || n < 0 {
			ps = append(ps, course.Fieldf(field, "This is a whole number of %s.", what))
		}
		return &n
	}
	share("late_percent", &rule.Percent)
	share("late_cap", &rule.Cap)
	if n := whole("late_grace", "minutes"); n != nil {
		rule.Grace = time.Duration(min(*n, 1_000_000)) * time.Minute
	}
	rule.ZeroAfter = whole("late_zero_after", "days or hours")
	if len(ps) > 0 {
		return rule, ps
	}
	return rule, rule.Check()
}

// saveLate changes what lateness costs.
func (s *Site) saveLate(w http.ResponseWriter, r *http.Request) error {
	v := visitOf(r)
	loc := v.course.Location()
	in := map[string]string{"opens_at": formatLocal(v.assignment.OpensAt, loc), "due_at": formatLocal(v.assignment.DueAt, loc)}
	for _, f := range []string{"late_unit", "late_percent", "late_cap", "late_grace", "late_zero_after"} {
		in[f] = clip(r.PostFormValue(f), 40)
	}
	rule, err := readLate(in)
	if errs, ok := formErrors(err); ok {
		return s.datesPage(w, r, http.StatusUnprocessableEntity, errs, in)
	}
	if err != nil {
		return err
	}
	if err := s.Store.SaveLateRule(r.Context(), v.assignment.ID, rule); err != nil {
		return err
	}
	if err := s.record(r, "changed late policy", v.assignment, rule.Words()); err != nil {
		return err
	}
	s.flash(r, "good", fmt.Sprintf("Saved. %s", rule.Words()))
	return seeOther(w, r, assignmentPart(v.course.Slug, v.assignment.Slug, "dates"))
}
