package handlers

import (
	"net/http"

	"lectern/views"
)

// page is what every page's frame needs to know about this request.
func (s *Site) page(r *http.Request, title string) views.PageView {
	v := visitOf(r)
	p := views.PageView{Title: title, Flash: s.flashed(r)}
	if v.signedIn() {
		p.Notes = s.notesOf(r)
		p.User = &views.UserView{Name: v.user.Name, Login: v.user.Login, Initials: initials(v.user.Name, v.user.Login), Admin: v.user.SiteAdmin}
		if p.User.Name == "" {
			p.User.Name = v.user.Login
		}
	}
	if v.course.ID != 0 {
		p.Crumbs = append(p.Crumbs, views.Crumb{Text: v.course.Title, URL: coursePath(v.course.Slug)})
	}
	return p
}

// coursePage is the frame of a page of a course: its tabs, with one current.
func (s *Site) coursePage(r *http.Request, title, tab string) views.PageView {
	v := visitOf(r)
	p := s.page(r, title)
	if title == v.course.Title { // the course's own page
		p.Crumbs = p.Crumbs[:0]
	}
	p.Crumbs = append(p.Crumbs, views.Crumb{Text: title})
	if !v.staff() {
		return p
	}
	base := coursePath(v.course.Slug)
	add := func(key, text, url string) {
		p.Tabs = append(p.Tabs, views.NavItem{Text: text, URL: url, Current: key == tab})
	}
	add("assignments", "Assignments", base)
	add("gradebook", "Gradebook", base+"/gradebook")
	add("regrades", "Regrades", regradesPath(v.course.Slug))
	if v.teaches() {
		add("roster", "Roster", base+"/roster")
		add("servers", "Servers", base+"/servers")
		add("activity", "Activity", base+"/activity")
		add("settings", "Settings", base+"/settings")
	}
	return p
}
