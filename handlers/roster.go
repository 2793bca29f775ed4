package handlers

import (
	"cmp"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"lectern/course"
	"lectern/store"
	"lectern/views"
)

const rosterPage = 100 // rows of the table at a time

// roster shows the course's people: sorted, filtered and cut into pages by the
// address, so that any view of it can be kept and shared.
func (s *Site) roster(w http.ResponseWriter, r *http.Request) error {
	v, ask := visitOf(r), r.URL.Query()
	page := max(1, atoi(ask.Get("page")))
	q := store.RosterQuery{Role: course.Role(ask.Get("role")), Section: ask.Get("section"), Text: strings.TrimSpace(ask.Get("q")),
		State: ask.Get("state"), Sort: ask.Get("sort"), Offset: (page - 1) * rosterPage, Limit: rosterPage}
	rows, err := s.Store.Roster(r.Context(), v.course.ID, q, v.user)
	if err != nil {
		return err
	}
	count, err := s.Store.RosterCount(r.Context(), v.course.ID)
	if err != nil {
		return err
	}
	base := rosterPath(v.course.Slug)
	p := views.RosterView{Page: s.coursePage(r, "Roster", "roster"),
		Sub:    plural(count.Active, "person") + ", " + fmt.Sprintf("%d not signed in yet, %d dropped", count.Unclaimed, count.Dropped),
		AddURL: base + "/add", ImportURL: base + "/import", InviteURL: base + "/invitations.csv", Unclaimed: count.Unclaimed,
		Empty: count.Active+count.Dropped <= 1, Filter: rosterFilter(base, ask, q, count.Sections)}
	p.Sub = strings.Replace(p.Sub, "persons", "people", 1)
	p.Page.Width = "wide"
	for _, h := range []struct{ key, text string }{{"name", "Name"}, {"login", "Login"}, {"role", "Role"}, {"section", "Section"}, {"seen", "Last seen"}} {
		p.Heads = append(p.Heads, sortHead(base, ask, h.key, h.text, "login"))
	}
	for _, m := range rows {
		p.Rows = append(p.Rows, s.rosterRow(v, m))
		p.Pages = pagesOf(base, ask, page, rosterPage, m.Total)
	}
	return s.show(w, r, views.Roster(p))
}

func (s *Site) rosterRow(v *visit, m store.RosterRow) views.RosterRow {
	row := views.RosterRow{URL: memberPath(v.course.Slug, m.Login), Login: m.Login, Name: cmp.Or(m.Name, m.Login), Email: m.Email,
		Role: roleText(m.Role), Section: m.Section, Seen: whenIf(m.LastSeenAt, s.Now(), v.course.Location(), "Never")}
	switch {
	case !m.Active():
		row.State, row.StateText = "dropped", "Dropped"
	case m.InvitedUntil != nil:
		row.State, row.StateText = "queued", "Invited"
	case !m.Claimed && m.LastSeenAt == nil: // people of a demo come in without
		row.State, row.StateText = "todo", "No sign-in yet"
	}
	return row
}

func rosterFilter(base string, ask url.Values, q store.RosterQuery, sections []string) views.FilterView {
	roles := append([]views.Option{{Text: "Every role"}}, roleOptions(q.Role)...)
	secs := []views.Option{{Text: "Every section"}}
	for _, sec := range sections {
		secs = append(secs, views.Option{Value: sec, Text: sec, Selected: sec == q.Section})
	}
	states := []views.Option{{Text: "Taking part"}, {Value: "unclaimed", Text: "Not signed in yet"}, {Value: "dropped", Text: "Dropped"}, {Value: "all", Text: "Everybody"}}
	for i := range states {
		states[i].Selected = states[i].Value == q.State
	}
	f := views.FilterView{URL: base, Query: q.Text, Search: "Name, login or e-mail",
		Selects: []views.FieldView{{Name: "role", Label: "Role", Options: roles}, {Name: "section", Label: "Section", Options: secs}, {Name: "state", Label: "Shows", Options: states}}}
	if q.Sort != "" {
		f.Keep = append(f.Keep, views.Option{Value: "sort", Text: q.Sort})
	}
	if q.Role != "" || q.Section != "" || q.Text != "" || q.State != "" {
		f.Clear = base
	}
	return f
}

// sortHead is a column's head whose link sorts by it, or turns the order round.
// usual is the order that an address without one has.
func sortHead(base string, ask url.Values, key, text, usual string) views.SortView {
	sort := cmp.Or(ask.Get("sort"), usual)
	h, to := views.SortView{Text: text}, key
	switch sort {
	case key:
		h.Sort, to = "ascending", "-"+key
	case "-" + key:
		h.Sort = "descending"
	}
	h.URL = asking(base, ask, "sort", to, "page", "")
	return h
}

// asking is an address with its query, some of it replaced: pairs of name and
// value, an empty value takes the name out.
func asking(base string, ask url.Values, pairs ...string) string {
	q := url.Values{}
	for k, vs := range ask {
		if len(vs) > 0 && vs[0] != "" {
			q.Set(k, vs[0])
		}
	}
	for i := 0; i+1 < len(pairs); i += 2 {
		q.Del(pairs[i])
		if pairs[i+1] != "" {
			q.Set(pairs[i], pairs[i+1])
		}
	}
	if len(q) == 0 {
		return base
	}
	return base + "?" + q.Encode()
}

// pagesOf is the row of links below a table that shows size of total rows.
func pagesOf(base string, ask url.Values, page, size, total int) views.PagesView {
	last := (total + size - 1) / size
	p := views.PagesView{Text: fmt.Sprintf("%d–%d of %d", (page-1)*size+1, min(page*size, total), total)}
	at := func(n int) string { return asking(base, ask, "page", strconv.Itoa(n)) }
	if page > 1 {
		p.Prev = at(page - 1)
	}
	if page < last {
		p.Next = at(page + 1)
	}
	gap := false
	for n := 1; n <= last; n++ {
		if n > 2 && n < last-1 && (n < page-1 || n > page+1) {
			if !gap {
				p.Links, gap = append(p.Links, views.PageLink{}), true
			}
			continue
		}
		gap = false
		p.Links = append(p.Links, views.PageLink{Text: strconv.Itoa(n), URL: at(n), Current: n == page})
	}
	return p
}

// atoi reads a small number of an address; anything else is 0.
func atoi(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 || n > 1_000_000 {
		return 0
	}
	return n
}
