package handlers

import (
	"net/http"
	"strconv"
	"time"
	"unicode/utf8"

	"lectern/course"
)

// lastings are how long an announcement may be chosen to stay, in minutes.
var lastings = map[string]time.Duration{"15": 15 * time.Minute, "60": time.Hour, "240": 4 * time.Hour, "1440": 24 * time.Hour, "10080": 7 * 24 * time.Hour}

// announce shows a text to everybody of the course, or of the site.
func (s *Site) announce(w http.ResponseWriter, r *http.Request) error {
	v := visitOf(r)
	text, lasts := course.OneLine(r.PostFormValue("text")), lastings[r.PostFormValue("lasts")]
	switch {
	case text == "" || utf8.RuneCountInString(text) > 500:
		return course.Problemf(course.Invalid, "An announcement is a text of at most 500 characters. Go back and write one.")
	case lasts == 0:
		return course.Problemf(course.Invalid, "Go back and choose how long it is to stay.")
	}
	if err := s.Store.Announce(r.Context(), v.course.ID, v.user.ID, text, lasts); err != nil {
		return err
	}
	s.flash(r, "good", "Announced. Open pages show it within a minute.")
	return seeOther(w, r, serversBase(r))
}

// withdrawAnnouncement takes it off every page.
func (s *Site) withdrawAnnouncement(w http.ResponseWriter, r *http.Request) error {
	v := visitOf(r)
	id, _ := strconv.ParseInt(r.PostFormValue("announcement"), 10, 64)
	if err := s.Store.Withdraw(r.Context(), v.course.ID, id, v.user.ID); err != nil {
		return err
	}
	s.flash(r, "good", "Withdrawn.")
	return seeOther(w, r, serversBase(r))
}
