package handlers

import (
	"context"
	"net/http"

	"lectern/course"
	"lectern/store"
)

// visit is what the middleware has found out about a request. A route that
// needs a course has one; the same for assignment and subject.
type visit struct {
	requestID    string
	address      string // the client's, told by a trusted proxy if there is one
	agent        string // the browser, as it says
	session      store.Session
	sessionToken string      // hashed; the row that session is
	sessionless  bool        // the session could not be read or saved
	user         course.User // ID 0 is nobody
	course       course.Course
	member       course.Member // the visitor in this course; ID 0 for a site admin who is no member
	assignment   course.Assignment
	subject      course.Member // the member whom {login} names
}

type visitKey struct{}

// visitOf is the request's visit; never nil.
func visitOf(r *http.Request) *visit {
	v, _ := r.Context().Value(visitKey{}).(*visit)
	if v == nil {
		return &visit{}
	}
	return v
}

func withVisit(r *http.Request, v *visit) *http.Request {
	return r.WithContext(context.WithValue(r.Context(), visitKey{}, v))
}

func (v *visit) signedIn() bool { return v.user.ID != 0 }
func (v *visit) staff() bool    { return v.member.Role.Staff() }
func (v *visit) teaches() bool  { return v.member.Role == course.Instructor }
