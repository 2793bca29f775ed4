package handlers

import (
	"net/http"
	"strings"

	"lectern/course"
	"lectern/store"
	"lectern/views"
)

// fillRunSettings adds what the assignment's settings say about grading to its form.
func fillRunSettings(v *views.AssignmentSettingsView, g store.RunSettings, errs []views.FieldError) {
	v.Autograde = views.FieldView{Name: "autograde_on", Label: "Autograde by itself", Error: errorOf(errs, "autograde_on"), Options: []views.Option{
		{Value: store.OnCollect, Text: "At collection", Hint: "At each student's due time. Late work when it is handed in."},
		{Value: store.OnSubmit, Text: "On each submission", Hint: "Also before the due time, so that results are there at once. Students see them when you return them."},
		{Value: store.OnDemand, Text: "Never", Hint: "Only when somebody presses Autograde."}}}
	for i := range v.Autograde.Options {
		v.Autograde.Options[i].Selected = v.Autograde.Options[i].Value == g.AutogradeOn
	}
	v.Group = views.FieldView{Name: "grade_group", Label: "Group in the gradebook", Value: g.GradeGroup, Optional: true, Error: errorOf(errs, "grade_group"),
		Hint: "Such as “Homework”. Weights and drops of groups are set in the gradebook."}
	v.Reveal = views.FieldView{Name: "reveal_tests", Label: "Feedback shows hidden tests", Checked: g.RevealTests,
		Hint: "Else students see that a hidden test failed, but neither its code nor its error."}
}

func readRunSettings(r *http.Request) (store.RunSettings, course.Problems) {
	g := store.RunSettings{AutogradeOn: r.FormValue("autograde_on"), RevealTests: r.FormValue("reveal_tests") == "on", GradeGroup: strings.TrimSpace(r.FormValue("grade_group"))}
	var problems course.Problems
	switch g.AutogradeOn {
	case "":
		g.AutogradeOn = store.OnCollect
	case store.OnCollect, store.OnSubmit, store.OnDemand:
	default:
		problems = append(problems, course.Fieldf("autograde_on", "Choose when work is autograded."))
	}
	if len([]rune(g.GradeGroup)) > 60 {
		problems = append(problems, course.Fieldf("grade_group", "A group's name has at most 60 characters."))
	}
	return g, problems
}
