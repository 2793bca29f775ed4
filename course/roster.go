package course

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

const (
	// MaxRosterBytes is the largest roster file that is read.
	MaxRosterBytes = 2 << 20
	maxRosterLines = 10_000
)

// RosterLine is one person of a roster file. A nil field was not in the file,
// and stays as it is.
type RosterLine struct {
	Line    int
	Login   string // empty if the file tells people apart by e-mail
	Email   string
	Name    string
	Role    *Role
	Section *string
}

// LineProblem is what is wrong with one line of a file.
type LineProblem struct {
	Line int // 0 concerns the whole file
	Text string
}

// RosterFile is a roster as somebody uploaded or pasted it.
type RosterFile struct {
	Lines    []RosterLine
	Problems []LineProblem // all of them; nothing is applied while there is one
	Notes    []string      // what was understood or left out
}

// columns says in which column a field stands; -1 is nowhere.
type columns struct {
	login, email, name, first, last, role, section, status int
	canvas                                                 bool
}

// synonyms are the names that spreadsheets and learning platforms give a
// field, the best first, with everything but letters and digits taken out.
var synonyms = map[string][]string{
	"login": {"loginid", "sisloginid", "username", "login", "netid", "user", "uid", "account", "benutzername", "anmeldename", "kennung",
		"userid", "id"},
	"weak":    {"idnumber", "studentid", "sisuserid", "studentnumber", "matriculationnumber", "matrikelnummer"},
	"email":   {"email", "emailaddress", "mail", "emailadresse"},
	"name":    {"fullname", "displayname", "name", "studentname", "student", "sortablename"},
	"first":   {"firstname", "givenname", "vorname"},
	"last":    {"lastname", "surname", "familyname", "nachname"},
	"role":    {"role", "role1", "roles", "courserole", "rolle"},
	"section": {"section", "sectionname", "sectionid", "group", "group1", "groups", "tutorial", "gruppe", "gruppen"},
	"status":  {"status", "availability"},
}

// ReadRoster reads a roster: with a header in any order, as spreadsheets,
// Canvas, Moodle and Blackboard export it, or without one.
func ReadRoster(text string) (RosterFile, error) {
	table, err := ReadTable(text, maxRosterLines)
	if err != nil {
		return RosterFile{}, err
	}
	if len(table) == 0 {
		return RosterFile{}, Problemf(Invalid, "There is nothing in this roster.")
	}
	var f RosterFile
	cols, header := readHeader(table[0].Cells)
	if header {
		table = table[1:]
	} else {
		cols = guessColumns(table[0].Cells)
		f.Notes = append(f.Notes, "The first line is not a header, so the columns were guessed. Check that they are right.")
	}
	if cols.login < 0 && cols.email < 0 {
		return RosterFile{}, Problemf(Invalid, "No column has a login or an e-mail address. Name one of them “login” or “email”.")
	}
	skipped := 0
	for _, t := range table {
		if cols.skips(t) {
			skipped++
			continue
		}
		line, problem := cols.read(t)
		if problem != "" {
			f.Problems = append(f.Problems, LineProblem{t.Line, problem})
			continue
		}
		f.Lines = append(f.Lines, line)
	}
	if skipped > 0 {
		f.Notes = append(f.Notes, fmt.Sprintf("%d lines were left out: test students, totals, and people marked as gone.", skipped))
	}
	f.merge()
	return f, nil
}

func readHeader(cells []string) (columns, bool) {
	at := map[string]int{}
	for i, c := range cells {
		key := headerKey(c)
		if _, seen := at[key]; !seen && key != "" {
			at[key] = i
		}
	}
	find := func(field string) int {
		for _, name := range synonyms[field] {
			if i, ok := at[name]; ok {
				return i
			}
		}
		return -1
	}
	_, student := at["student"]
	_, id := at["id"]
	c := columns{email: find("email"), name: find("name"), first: find("first"), last: find("last"),
		role: find("role"), section: find("section"), status: find("status"), canvas: student && id}
	if c.canvas {
		delete(at, "id") // Canvas's own number, which nobody signs in with
	}
	c.login = find("login")
	if c.login < 0 && c.email < 0 {
		c.login = find("weak")
	}
	known := c.login >= 0 || c.email >= 0 || c.name >= 0 || c.last >= 0
	return c, known
}

// headerKey is the name of a column with everything but letters and digits taken out.
func headerKey(cell string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, strings.ToLower(cell))
}

// guessColumns takes a line without header apart: an @ is an e-mail address, a
// space a name, a role's name a role; of the rest the first is the login.
func guessColumns(cells []string) columns {
	c := columns{login: -1, email: -1, name: -1, first: -1, last: -1, role: -1, section: -1, status: -1}
	for i, cell := range cells {
		_, isRole := ParseRole(cell)
		switch {
		case strings.Contains(cell, "@") && c.email < 0:
			c.email = i
		case cell != "" && isRole && c.role < 0:
			c.role = i
		case strings.ContainsAny(cell, " ,") && c.name < 0:
			c.name = i
		case ValidLogin(strings.ToLower(cell)) && c.login < 0:
			c.login = i
		case c.section < 0:
			c.section = i
		}
	}
	return c
}

// skips leaves out what exports add to the people: totals and test students.
func (c columns) skips(t TableLine) bool {
	if c.canvas && c.name >= 0 {
		name := strings.ToLower(cell(t, c.name))
		if name == "points possible" || name == "student, test" || name == "manual posting" || name == "" {
			return true
		}
	}
	switch strings.ToLower(cell(t, c.status)) {
	case "deleted", "inactive", "dropped", "withdrawn", "suspended", "completed", "no":
		return c.status >= 0
	}
	return false
}

func cell(t TableLine, i int) string {
	if i < 0 || i >= len(t.Cells) {
		return ""
	}
	return t.Cells[i]
}

// read makes a line's person, or says what is wrong with it.
func (c columns) read(t TableLine) (RosterLine, string) {
	l := RosterLine{Line: t.Line, Login: strings.ToLower(cell(t, c.login)), Email: cell(t, c.email), Name: c.fullName(t)}
	if strings.Contains(l.Login, "@") { // some campuses sign in with their address
		if l.Email == "" {
			l.Email = l.Login
		}
		l.Login = LoginFromEmail(l.Login)
	}
	if l.Email != "" && !ValidEmail(l.Email) {
		return l, fmt.Sprintf("“%s” is not an e-mail address.", clip(l.Email))
	}
	if l.Login == "" && l.Email == "" {
		return l, "There is neither a login nor an e-mail address."
	}
	if l.Login != "" && !ValidLogin(l.Login) {
		return l, fmt.Sprintf("“%s” cannot be a login: it needs letters a–z, digits, dots, hyphens or underscores, at most 63.", clip(l.Login))
	}
	if l.Login == "" && LoginFromEmail(l.Email) == "" {
		return l, fmt.Sprintf("No login can be made of “%s”; add a login column.", clip(l.Email))
	}
	if utf8.RuneCountInString(l.Name) > 200 {
		return l, "The name is longer than 200 characters."
	}
	if text := cell(t, c.role); text != "" {
		role, ok := ParseRole(text)
		if !ok {
			return l, fmt.Sprintf("“%s” is not a role; use student, grader or instructor.", clip(text))
		}
		l.Role = &role
	}
	if c.section >= 0 {
		section := cell(t, c.section)
		if utf8.RuneCountInString(section) > 100 {
			return l, "The section is longer than 100 characters."
		}
		l.Section = &section
	}
	return l, ""
}

// fullName is the name as people say it: "Lee, Ann" becomes "Ann Lee".
func (c columns) fullName(t TableLine) string {
	if c.first >= 0 || c.last >= 0 {
		if n := strings.TrimSpace(cell(t, c.first) + " " + cell(t, c.last)); n != "" {
			return n
		}
	}
	name := cell(t, c.name)
	if last, first, ok := strings.Cut(name, ", "); ok && !strings.Contains(first, ",") {
		return strings.TrimSpace(first + " " + last)
	}
	return name
}

// merge takes repeated lines for one; repeats that differ are problems.
func (f *RosterFile) merge() {
	first := map[string]int{}
	kept := f.Lines[:0]
	for _, l := range f.Lines {
		key := l.Key()
		i, seen := first[key]
		if !seen {
			first[key] = len(kept)
			kept = append(kept, l)
			continue
		}
		if o := kept[i]; !same(o, l) {
			f.Problems = append(f.Problems, LineProblem{l.Line,
				fmt.Sprintf("“%s” is already on line %d, and differs there.", clip(key), o.Line)})
		}
	}
	f.Lines = kept
}

func same(a, b RosterLine) bool {
	eq := func(x, y *string) bool { return (x == nil) == (y == nil) && (x == nil || *x == *y) }
	return strings.EqualFold(a.Email, b.Email) && a.Name == b.Name && eq(a.Section, b.Section) && eq((*string)(a.Role), (*string)(b.Role))
}

// Key is the login that a line means, made of the e-mail address if it has none.
func (l RosterLine) Key() string {
	if l.Login != "" {
		return l.Login
	}
	return LoginFromEmail(l.Email)
}

// Keys lists what people of the site must be looked up for RosterFile.Diff.
func (f RosterFile) Keys() []string {
	keys := make([]string, len(f.Lines))
	for i, l := range f.Lines {
		keys[i] = l.Key()
	}
	return keys
}

// LoginFromEmail makes a login of what stands before the @; empty if nothing
// of it can be in a login.
func LoginFromEmail(email string) string {
	local, _, _ := strings.Cut(strings.ToLower(email), "@")
	login := strings.Trim(strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '.' || r == '_' || r == '-' {
			return r
		}
		return '-'
	}, local), "._-")
	if !ValidLogin(login) {
		return ""
	}
	return login
}

// ValidEmail reports whether s could be an e-mail address. Whether it reaches
// anybody, only a mail can tell.
func ValidEmail(s string) bool {
	local, host, ok := strings.Cut(s, "@")
	return ok && local != "" && len(s) <= 254 && strings.Trim(host, ".") != "" && !strings.ContainsAny(s, " \t\r\n,;<>\"()") &&
		!strings.Contains(host, "@") && utf8.ValidString(s)
}

func clip(s string) string {
	if r := []rune(s); len(r) > 60 {
		return string(r[:60]) + "…"
	}
	return s
}
