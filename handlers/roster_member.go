package handlers

import (
	"cmp"
	"encoding/csv"
	"fmt"
	"net/http"
	"strings"
	"time"

	"lectern/course"
	"lectern/store"
	"lectern/views"
)

// memberForm is a person as a form of the roster has them.
type memberForm struct {
	login, name, email, section string
	role                        course.Role
}

func readMember(r *http.Request) (f memberForm, err error) {
	field := func(name string) string { return course.OneLine(r.PostFormValue(name)) }
	f = memberForm{login: strings.ToLower(field("login")), name: field("name"), email: field("email"), section: field("section"),
		role: course.Role(r.PostFormValue("role"))}
	var ps course.Problems
	if f.role.Rank() == 0 {
		ps = append(ps, course.Fieldf("role", "Choose student, grader or instructor."))
	}
	if f.email != "" && !course.ValidEmail(f.email) {
		ps = append(ps, course.Fieldf("email", "That is not an e-mail address."))
	}
	if len(f.name) > 200 {
		ps = append(ps, course.Fieldf("name", "The name is too long."))
	}
	if len(f.section) > 100 {
		ps = append(ps, course.Fieldf("section", "The section is too long."))
	}
	return f, ps.OrNil()
}

func (f memberForm) fields(errs []views.FieldError) views.MemberFields {
	return views.MemberFields{Errors: errs,
		Login: views.FieldView{Name: "login", Label: "Login", Value: f.login, Error: errorOf(errs, "login"), Autocomplete: "off",
			Hint: "Names their directories, so it stays for good. Lower-case letters, digits, dots, hyphens and underscores."},
		Name:    views.FieldView{Name: "name", Label: "Name", Value: f.name, Error: errorOf(errs, "name"), Optional: true, Autocomplete: "off"},
		Email:   views.FieldView{Name: "email", Label: "E-mail", Type: "email", Value: f.email, Error: errorOf(errs, "email"), Optional: true, Autocomplete: "off"},
		Role:    views.FieldView{Name: "role", Label: "Role", Error: errorOf(errs, "role"), Options: roleOptions(f.role), Short: true},
		Section: views.FieldView{Name: "section", Label: "Section", Value: f.section, Error: errorOf(errs, "section"), Optional: true, Short: true, Autocomplete: "off"}}
}

// addMemberForm is the form for one more person.
func (s *Site) addMemberForm(w http.ResponseWriter, r *http.Request) error {
	return s.showAddMember(w, r, http.StatusOK, memberForm{role: course.Student}, nil)
}

func (s *Site) showAddMember(w http.ResponseWriter, r *http.Request, status int, f memberForm, errs []views.FieldError) error {
	v := visitOf(r)
	return s.showStatus(w, r, status, views.AddMember(views.AddMemberView{Page: s.coursePage(r, "Add a person", "roster"),
		Action: rosterPath(v.course.Slug) + "/add", Back: rosterPath(v.course.Slug), Fields: f.fields(errs)}))
}

// addMember puts a person on the roster. Somebody with that login who is known
// here already joins as they are; nothing of theirs is changed.
func (s *Site) addMember(w http.ResponseWriter, r *http.Request) error {
	v := visitOf(r)
	f, err := readMember(r)
	if err == nil && !course.ValidLogin(f.login) {
		err = course.Fieldf("login", "A login has lower-case letters, digits, dots, hyphens and underscores, and begins with a letter or digit.")
	}
	if err == nil && !v.member.Role.MayGrant(f.role) {
		err = course.Problemf(course.Forbidden, "You may not give somebody that role.")
	}
	if err == nil {
		err = s.Store.InTx(r.Context(), func(tx *store.Store) error { return s.addTo(r, tx, f) })
	}
	if errs, ok := formErrors(err); ok {
		return s.showAddMember(w, r, http.StatusUnprocessableEntity, f, errs)
	}
	if err != nil {
		return err
	}
	s.flash(r, "good", cmp.Or(f.name, f.login)+" is on the roster.")
	return seeOther(w, r, memberPath(v.course.Slug, f.login))
}

func (s *Site) addTo(r *http.Request, tx *store.Store, f memberForm) error {
	v, ctx := visitOf(r), r.Context()
	u, err := tx.UserByLogin(ctx, f.login)
	if course.IsKind(err, course.NotFound) {
		u = course.User{Login: f.login, Name: f.name, Email: f.email}
		err = tx.AddUser(ctx, &u)
	}
	if err != nil {
		return err
	}
	id, err := tx.AddMember(ctx, v.course.ID, u.ID, f.role, f.section)
	if err != nil {
		return err
	}
	return tx.Record(ctx, course.Activity{Actor: v.user.ID, CourseID: v.course.ID, MemberID: id, Verb: "added to the roster", Detail: "as " + string(f.role)})
}

// memberPage shows one person of the roster, with what can be done about them.
func (s *Site) memberPage(w http.ResponseWriter, r *http.Request) error {
	m := visitOf(r).subject
	return s.showMember(w, r, http.StatusOK, memberForm{m.Login, m.Name, m.Email, m.Section, m.Role}, nil, "")
}

func (s *Site) showMember(w http.ResponseWriter, r *http.Request, status int, f memberForm, errs []views.FieldError, link string) error {
	v := visitOf(r)
	m := v.subject
	free, err := s.Store.MayDescribe(r.Context(), m.UserID, v.user)
	if err != nil {
		return err
	}
	claimed, err := s.Store.Claimed(r.Context(), m.UserID)
	if err != nil {
		return err
	}
	path, loc := memberPath(v.course.Slug, m.Login), v.course.Location()
	p := views.MemberView{Page: s.coursePage(r, cmp.Or(m.Name, m.Login), "roster"), Name: cmp.Or(m.Name, m.Login), Login: m.Login,
		Back: rosterPath(v.course.Slug), Action: path, DropURL: path + "/drop", RestoreURL: path + "/restore", InviteURL: path + "/invite",
		Dropped: !m.Active(), Claimed: claimed, MayInvite: free && m.Active(), Link: link, Fields: f.fields(errs),
		Since: when(m.CreatedAt, s.Now(), loc), Seen: whenIf(m.LastSeenAt, s.Now(), loc, "Never")}
	p.Drop = dropConfirm(v)
	p.Fields.Login.Disabled = true
	p.Fields.Name.Disabled, p.Fields.Email.Disabled = !free, !free
	if m.DroppedAt != nil {
		p.DroppedAt = when(*m.DroppedAt, s.Now(), loc)
	}
	return s.showStatus(w, r, status, views.Member(p))
}

// changeMember saves role and section, and name and e-mail while they are not
// the person's own yet.
func (s *Site) changeMember(w http.ResponseWriter, r *http.Request) error {
	v := visitOf(r)
	f, err := readMember(r)
	f.login = v.subject.Login
	if err == nil && f.role != v.subject.Role && !(v.member.Role.MayGrant(f.role) && v.member.Role.MayGrant(v.subject.Role)) {
		err = course.Problemf(course.Forbidden, "You may not change that role.")
	}
	if err == nil {
		m := v.subject
		m.Role, m.Section = f.role, f.section
		err = s.Store.InTx(r.Context(), func(tx *store.Store) error {
			if err := tx.ChangeMember(r.Context(), m); err != nil {
				return err
			}
			if r.PostForm.Has("name") {
				if _, err := tx.Describe(r.Context(), m.UserID, v.user, f.name, f.email); err != nil {
					return err
				}
			}
			return s.recordMember(r, tx, "changed on the roster", fmt.Sprintf("%s, section “%s”", m.Role, m.Section))
		})
	}
	if errs, ok := formErrors(err); ok {
		return s.showMember(w, r, http.StatusUnprocessableEntity, f, errs, "")
	}
	if err != nil {
		return err
	}
	s.flash(r, "good", "Saved.")
	return seeOther(w, r, memberPath(v.course.Slug, v.subject.Login))
}

// dropConfirm asks before a person is dropped.
func dropConfirm(v *visit) views.ConfirmView {
	path := memberPath(v.course.Slug, v.subject.Login)
	return views.ConfirmView{ID: "drop", Title: "Drop " + cmp.Or(v.subject.Name, v.subject.Login) + "?", Text: "They no longer see the course.",
		Keeps:  "Everything they handed in, their marks, their files and their requests for a regrade are kept. You can restore them at any time.",
		Button: "Drop from the course", Kind: "danger", Action: path + "/drop", Back: path}
}

// confirmDrop asks it on a page of its own, for those without scripts.
func (s *Site) confirmDrop(w http.ResponseWriter, r *http.Request) error {
	return s.show(w, r, views.Confirm(views.ConfirmPageView{Page: s.coursePage(r, "Drop a person", "roster"), Confirm: dropConfirm(visitOf(r))}))
}

// dropMember takes a person out of the course. Everything of theirs is kept.
func (s *Site) dropMember(w http.ResponseWriter, r *http.Request) error {
	now := s.Now()
	return s.dropOrRestore(w, r, &now, "dropped from the roster", "Dropped. Everything they handed in is kept, and so are their marks.")
}

// restoreMember takes a person back in, with everything they had.
func (s *Site) restoreMember(w http.ResponseWriter, r *http.Request) error {
	return s.dropOrRestore(w, r, nil, "restored to the roster", "Back on the roster, with all earlier work.")
}

func (s *Site) dropOrRestore(w http.ResponseWriter, r *http.Request, at *time.Time, verb, text string) error {
	v := visitOf(r)
	m := v.subject
	if (m.DroppedAt == nil) != (at == nil) { // the same button twice changes nothing
		m.DroppedAt = at
		err := s.Store.InTx(r.Context(), func(tx *store.Store) error {
			if err := tx.ChangeMember(r.Context(), m); err != nil {
				return err
			}
			return s.recordMember(r, tx, verb, "")
		})
		if err != nil {
			return err
		}
	}
	s.flash(r, "good", text)
	return seeOther(w, r, memberPath(v.course.Slug, m.Login))
}

func (s *Site) recordMember(r *http.Request, tx *store.Store, verb, detail string) error {
	v := visitOf(r)
	return tx.Record(r.Context(), course.Activity{Actor: v.user.ID, CourseID: v.course.ID, MemberID: v.subject.ID, Verb: verb, Detail: detail})
}

// inviteMember makes a link and shows it, this once: only its hash is kept.
func (s *Site) inviteMember(w http.ResponseWriter, r *http.Request) error {
	v := visitOf(r)
	m := v.subject
	if !m.Active() {
		return course.Problemf(course.Conflict, "%s was dropped from the roster. Restore them first.", m.Login)
	}
	token, hash := newInvite()
	err := s.Store.InTx(r.Context(), func(tx *store.Store) error {
		if err := tx.Invite(r.Context(), m, hash, v.user, s.Now().Add(inviteLife)); err != nil {
			return err
		}
		return s.recordMember(r, tx, "invited", "")
	})
	if err != nil {
		return err
	}
	return s.showMember(w, r, http.StatusOK, memberForm{m.Login, m.Name, m.Email, m.Section, m.Role}, nil, s.SiteURL.String()+invitePath(token))
}

// inviteAll makes links for everybody who cannot sign in yet, as a table to
// mail them with. Those who are in another teacher's course are left out, and
// the table says so.
func (s *Site) inviteAll(w http.ResponseWriter, r *http.Request) error {
	v := visitOf(r)
	rows, err := s.Store.Roster(r.Context(), v.course.ID, store.RosterQuery{State: "unclaimed", Limit: 100_000}, v.user)
	if err != nil {
		return err
	}
	if len(rows) == 0 {
		s.flash(r, "info", "Everybody on the roster has signed in before; nobody needs an invitation.")
		return seeOther(w, r, rosterPath(v.course.Slug))
	}
	var members []course.Member
	var hashes [][]byte
	links := map[string]string{}
	for _, m := range rows {
		if m.Manageable {
			token, hash := newInvite()
			members, hashes = append(members, m.Member), append(hashes, hash)
			links[m.Login] = s.SiteURL.String() + invitePath(token)
		}
	}
	err = s.Store.InTx(r.Context(), func(tx *store.Store) error {
		if err := tx.InviteAll(r.Context(), members, hashes, v.user, s.Now().Add(inviteLife)); err != nil {
			return err
		}
		return tx.Record(r.Context(), course.Activity{Actor: v.user.ID, CourseID: v.course.ID, Verb: "invited", Detail: plural(len(members), "person")})
	})
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", "text/csv; charset=utf-8")
	h.Set("Content-Disposition", `attachment; filename="`+v.course.Slug+`-invitations.csv"`)
	h.Set("Cache-Control", "no-store")
	out := csv.NewWriter(w)
	_ = out.Write([]string{"login", "name", "email", "section", "link", "note"})
	for _, m := range rows {
		note := ""
		if !m.Manageable {
			note = "also in a course of somebody else: ask the site's administrator"
		}
		_ = out.Write([]string{m.Login, course.SafeCell(m.Name), course.SafeCell(m.Email), course.SafeCell(m.Section), links[m.Login], note})
	}
	out.Flush()
	return nil // the links are made; a broken connection asks for them again
}
