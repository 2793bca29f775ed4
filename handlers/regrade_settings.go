package handlers

import (
	"net/http"
	"strconv"

	"lectern/course"
	"lectern/views"
)

// fillRegradeRule adds what an assignment's settings say about regrade requests.
func fillRegradeRule(v *views.AssignmentSettingsView, rule course.RegradeRule, errs []views.FieldError) {
	v.Regrades = views.FieldView{Name: "regrades", Label: "Students may ask for a regrade", Checked: rule.Regrades,
		Hint: "Of one question each time, for so many days after their feedback was returned. A request goes to who gave the mark; requests that were made stay when this is switched off."}
	v.RegradeDays = views.FieldView{Name: "regrade_days", Label: "Days to ask for one", Value: strconv.Itoa(rule.RegradeDays), Type: "number", Min: "1", Max: "365", Step: "1",
		Short: true, Suffix: "days", Error: errorOf(errs, "regrade_days")}
}

// readRegradeRule reads the form; days that it does not name stay as they were.
func readRegradeRule(r *http.Request, was course.RegradeRule) (course.RegradeRule, course.Problems) {
	rule := course.RegradeRule{Regrades: r.FormValue("regrades") == "on", RegradeDays: was.RegradeDays}
	if text := r.FormValue("regrade_days"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > 365 {
			return rule, course.Problems{course.Fieldf("regrade_days", "Give a number of days between 1 and 365.")}
		}
		rule.RegradeDays = n
	}
	return rule, nil
}
