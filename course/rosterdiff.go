package course

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
)

// RosterPerson is somebody of the site, as a course's roster has them.
type RosterPerson struct {
	Login      string
	Name       string
	Email      string
	Role       Role // empty outside the course
	Section    string
	Member     bool // of this course, dropped or not
	Dropped    bool
	Manageable bool // name and e-mail may still be set by the course: nobody signed in yet
}

// RosterKind is what happens to a person.
type RosterKind string

const (
	RosterAdd  RosterKind = "add"     // comes onto the roster
	RosterBack RosterKind = "restore" // was dropped, takes part again
	RosterEdit RosterKind = "change"
	RosterDrop RosterKind = "drop" // leaves the course; their work is kept
)

// RosterChange is one difference between a roster and a file.
type RosterChange struct {
	Kind RosterKind
	Line int // of the file; 0 for drops
	From RosterPerson
	To   RosterPerson
	Note string // what a person should know before it is applied
}

// Diff is what applying the file to the roster would change: the people are the
// course's whole roster and whoever of the site has one of f.Keys. Students who
// are not in the file are dropped if dropMissing says so; staff never are.
func (f RosterFile) Diff(people []RosterPerson, dropMissing bool) ([]RosterChange, []LineProblem) {
	byLogin, byEmail := map[string]RosterPerson{}, map[string][]RosterPerson{}
	for _, p := range people {
		byLogin[p.Login] = p
		if p.Member && p.Email != "" {
			byEmail[strings.ToLower(p.Email)] = append(byEmail[strings.ToLower(p.Email)], p)
		}
	}
	var changes []RosterChange
	problems := slices.Clone(f.Problems)
	met := map[string]int{}
	for _, l := range f.Lines {
		was, known, problem := l.person(byLogin, byEmail)
		if line, twice := met[was.Login]; twice && problem == "" {
			problem = fmt.Sprintf("This is %s, who is already on line %d.", was.Login, line)
		}
		if problem != "" {
			problems = append(problems, LineProblem{l.Line, problem})
			continue
		}
		met[was.Login] = l.Line
		if ch, differs := l.change(was, known); differs {
			changes = append(changes, ch)
		}
	}
	if dropMissing {
		for _, p := range people {
			if _, inFile := met[p.Login]; !inFile && p.Member && !p.Dropped && p.Role == Student {
				changes = append(changes, RosterChange{Kind: RosterDrop, From: p, To: p})
			}
		}
	}
	slices.SortFunc(problems, func(a, b LineProblem) int { return a.Line - b.Line })
	return changes, problems
}

// person finds whom a line means. An e-mail address finds members of the course
// only: elsewhere on the site it proves nothing.
func (l RosterLine) person(byLogin map[string]RosterPerson, byEmail map[string][]RosterPerson) (RosterPerson, bool, string) {
	if l.Login != "" {
		p, known := byLogin[l.Login]
		p.Login = l.Login
		return p, known, ""
	}
	switch found := byEmail[strings.ToLower(l.Email)]; len(found) {
	case 1:
		return found[0], true, ""
	case 0:
	default:
		return RosterPerson{}, false, fmt.Sprintf("%d people of this course have the address %s; add a login column.", len(found), l.Email)
	}
	key := l.Key()
	p, known := byLogin[key]
	if known && p.Email != "" && !strings.EqualFold(p.Email, l.Email) {
		return p, true, fmt.Sprintf("The login “%s” belongs to somebody with another address; add a login column.", key)
	}
	p.Login = key
	return p, known, ""
}

func (l RosterLine) change(was RosterPerson, known bool) (RosterChange, bool) {
	ch := RosterChange{Kind: RosterEdit, Line: l.Line, From: was, To: was}
	to := &ch.To
	to.Member, to.Dropped = true, false
	if l.Role != nil {
		to.Role = *l.Role
	}
	if to.Role == "" {
		to.Role = Student
	}
	if l.Section != nil {
		to.Section = *l.Section
	}
	name, email := was.Name, was.Email
	if l.Name != "" {
		name = l.Name
	}
	if l.Email != "" && !strings.EqualFold(l.Email, was.Email) {
		email = l.Email
	}
	switch {
	case !known || was.Manageable:
		to.Name, to.Email = name, email
	case !was.Member:
		ch.Note = fmt.Sprintf("Has an account here already, as %s.", describe(was))
	}
	switch {
	case !was.Member:
		ch.Kind = RosterAdd
	case was.Dropped:
		ch.Kind = RosterBack
	}
	return ch, ch.Kind != RosterEdit || ch.From != ch.To
}

func describe(p RosterPerson) string {
	if p.Name == "" {
		return p.Login
	}
	return p.Name
}

// RosterDigest names a set of changes, so that what is applied is what was seen.
func RosterDigest(changes []RosterChange) string {
	h := sha256.New()
	for _, c := range changes {
		for _, p := range []RosterPerson{c.From, c.To} {
			fmt.Fprintf(h, "%q %q %q %q %q %q %t %t\n", c.Kind, p.Login, p.Name, p.Email, p.Role, p.Section, p.Member, p.Dropped)
		}
	}
	return hex.EncodeToString(h.Sum(nil))
}
