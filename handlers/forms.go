package handlers

import (
	"errors"

	"lectern/course"
	"lectern/views"
)

// formErrors are the texts to show on the form that caused err; ok is false for
// an error that the visitor cannot mend there.
func formErrors(err error) (errs []views.FieldError, ok bool) {
	var several course.Problems
	if errors.As(err, &several) {
		for _, p := range several {
			errs = append(errs, views.FieldError{Field: p.Field, Text: p.Text})
		}
		return errs, true
	}
	p, ok := course.AsProblem(err)
	if !ok || p.Kind != course.Invalid && p.Kind != course.Conflict && p.Kind != course.TooLarge {
		return nil, false
	}
	return []views.FieldError{{Field: p.Field, Text: p.Text}}, true
}

// errorOf is the text beside one field, or "".
func errorOf(errs []views.FieldError, field string) string {
	for _, e := range errs {
		if e.Field == field {
			return e.Text
		}
	}
	return ""
}
