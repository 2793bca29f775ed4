package course

import (
	"errors"
	"fmt"
)

// Kind says what a Problem means to the person who caused it.
type Kind int

const (
	Invalid   Kind = iota // the input is wrong: 422
	NotFound              // no such thing, or not for this person: 404
	Forbidden             // known here, but may not do this: 403
	Conflict              // somebody else was first: 409
	Busy                  // cannot be done now, may be later: 503
	TooLarge              // over a limit: 413
)

func (k Kind) String() string {
	return [...]string{"invalid", "not found", "forbidden", "conflict", "busy", "too large"}[k]
}

// Problem is an error that may be shown to the person who caused it. Everything
// else is logged and shown as "something went wrong".
type Problem struct {
	Kind  Kind
	Field string // the form field to show Text beside; empty for the whole form
	Text  string // a sentence for people
	Err   error  // the cause, for the log; may be nil
}

func (p *Problem) Error() string {
	if p.Err != nil {
		return p.Text + ": " + p.Err.Error()
	}
	return p.Text
}

func (p *Problem) Unwrap() error { return p.Err }

// Problemf makes a Problem that concerns no single field.
func Problemf(kind Kind, format string, args ...any) *Problem {
	err := fmt.Errorf(format, args...)
	return &Problem{Kind: kind, Text: err.Error(), Err: errors.Unwrap(err)}
}

// Fieldf makes an Invalid Problem to be shown beside a form field.
func Fieldf(field, format string, args ...any) *Problem {
	return &Problem{Kind: Invalid, Field: field, Text: fmt.Sprintf(format, args...)}
}

// Problems is several Problems found at once, shown together.
type Problems []*Problem

func (ps Problems) Error() string {
	if len(ps) == 0 {
		return "no problem"
	}
	if len(ps) == 1 {
		return ps[0].Error()
	}
	return fmt.Sprintf("%s (and %d more)", ps[0].Error(), len(ps)-1)
}

// Unwrap lets errors.As find the first of them.
func (ps Problems) Unwrap() []error {
	out := make([]error, len(ps))
	for i, p := range ps {
		out[i] = p
	}
	return out
}

// OrNil is nil when nothing was found, so that it can be returned as an error.
func (ps Problems) OrNil() error {
	if len(ps) == 0 {
		return nil
	}
	return ps
}

// AsProblem finds the Problem in err, if there is one.
func AsProblem(err error) (*Problem, bool) {
	var p *Problem
	ok := errors.As(err, &p)
	return p, ok
}

// IsKind reports whether err is a Problem of this kind.
func IsKind(err error, kind Kind) bool {
	p, ok := AsProblem(err)
	return ok && p.Kind == kind
}
