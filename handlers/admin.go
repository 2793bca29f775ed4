package handlers

import (
	"cmp"
	"fmt"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"lectern/course"
	"lectern/store"
	"lectern/views"
)

const (
	adminPath = "/admin"
	adminPage = 50 // people at a time
)

// admin shows the people and courses of the site to who has it.
func (s *Site) admin(w http.ResponseWriter, r *http.Request) error {
	ask := r.URL.Query()
	text, state := strings.TrimSpace(ask.Get("q")), ask.Get("state")
	page, _ := strconv.Atoi(ask.Get("page"))
	page = min(max(page, 1), 1_000_000)
	people, err := s.Store.AdminPeople(r.Context(), text, state, (page-1)*adminPage, adminPage)
	if err != nil {
		return err
	}
	courses, err := s.Store.AdminCourses(r.Context())
	if err != nil {
		return err
	}
	server, schema, err := s.Store.Versions(r.Context())
	if err != nil {
		return err
	}
	p := views.AdminView{Page: s.page(r, "Administration"), Action: adminPath + "/people", Servers: adminServersPath, Images: adminImagesPath,
		Filter:   views.FilterView{URL: adminPath, Query: text, Search: "Login, name or e-mail", Selects: []views.FieldView{{Name: "state", Label: "Who", Options: adminStates(state)}}},
		Versions: []views.Definition{{Term: "Lectern", Text: buildVersion()}, {Term: "Schema", Text: fmt.Sprint(schema)}, {Term: "Postgres", Text: server}}}
	p.Page.Crumbs, p.Page.Width = []views.Crumb{{Text: "Administration"}}, "wide"
	if text != "" || state != "" {
		p.Filter.Clear = adminPath
	}
	for _, u := range people {
		p.People = append(p.People, adminRow(u, visitOf(r).user.ID, s.Now()))
	}
	if len(people) > 0 && people[0].Total > adminPage {
		pages := pagesOf(adminPath, ask, page, adminPage, people[0].Total)
		p.Pages = &pages
	}
	for _, c := range courses {
		p.Courses = append(p.Courses, views.AdminCourse{Title: c.Title, Slug: c.Slug, URL: coursePath(c.Slug), Term: c.Term,
			Students: fmt.Sprint(c.Students), Assignments: fmt.Sprint(c.Assignments), Archived: c.ArchivedAt != nil})
	}
	return s.show(w, r, views.Admin(p))
}

func adminStates(now string) (out []views.Option) {
	for _, o := range [][2]string{{"", "Everybody"}, {"admin", "Administrators"}, {"disabled", "Disabled"}, {"unclaimed", "Never signed in"}} {
		out = append(out, views.Option{Value: o[0], Text: o[1], Selected: o[0] == now})
	}
	return out
}

// adminRow offers nobody to change themselves: who shuts the door must be outside.
func adminRow(u store.AdminPerson, me course.UserID, now time.Time) views.AdminPerson {
	row := views.AdminPerson{Login: u.Login, Name: cmp.Or(u.Name, u.Login), Email: u.Email, Courses: fmt.Sprint(u.Courses), Admin: u.SiteAdmin,
		Seen: whenIf(u.LastSeenAt, now, time.UTC, "never")}
	button := func(value, text, kind string) {
		row.Buttons = append(row.Buttons, views.ButtonView{Name: "what", Value: value, Text: text, Kind: kind, Size: "small"})
	}
	switch {
	case u.DisabledAt != nil:
		row.State, row.StateText = "closed", "Disabled"
	case !u.Claimed && u.LastSeenAt == nil:
		row.State, row.StateText = "todo", "Never signed in"
	}
	if u.ID == me {
		return row
	}
	if u.SiteAdmin {
		button("revoke", "Take administration away", "")
	} else if u.DisabledAt == nil {
		button("grant", "Make administrator", "")
	}
	if u.DisabledAt != nil {
		button("enable", "Let back in", "")
	} else {
		button("disable", "Disable", "danger")
	}
	return row
}

// changePerson gives or takes the site, and closes or opens an account.
func (s *Site) changePerson(w http.ResponseWriter, r *http.Request) error {
	me, what := visitOf(r).user, r.PostFormValue("what")
	u, err := s.Store.UserByLogin(r.Context(), r.PostFormValue("login"))
	if err != nil {
		return err
	}
	if u.ID == me.ID {
		return course.Problemf(course.Conflict, "Ask another administrator to change your own account.")
	}
	said := ""
	switch what {
	case "grant", "revoke":
		err = s.Store.GrantSite(r.Context(), u.ID, me.ID, what == "grant")
		said = map[string]string{"grant": " has the whole site now.", "revoke": " no longer has the site."}[what]
	case "disable", "enable":
		err = s.Store.DisableAccount(r.Context(), u.ID, me.ID, what == "disable")
		said = map[string]string{"disable": " is signed out everywhere and kept out.", "enable": " may sign in again."}[what]
	default:
		err = course.Problemf(course.Invalid, "There is no such change.")
	}
	if err != nil {
		return err
	}
	s.flash(r, "good", cmp.Or(u.Name, u.Login)+said)
	return seeOther(w, r, adminPath)
}

// buildVersion is what this program was built from.
func buildVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "not known"
	}
	version := info.Main.Version
	for _, set := range info.Settings {
		if set.Key == "vcs.revision" && len(set.Value) >= 12 {
			version = set.Value[:12]
		}
	}
	return cmp.Or(version, "not known") + ", " + info.GoVersion
}
