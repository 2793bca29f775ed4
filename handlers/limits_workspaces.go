package handlers

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"

	"lectern/course"
	"lectern/store"
	"lectern/views"
)

// Bounds are what workspaces are given if nobody says otherwise, what a course
// may give them at most, and what can be kept to here.
type Bounds struct {
	Site, Most course.Limits
	Enforced   bool // there are limits at all; plain processes have none
	Closes     bool // a workspace can be kept off the network
	Lists      bool // and be led to listed hosts alone
}

// Least is what JupyterLab with one kernel needs.
var leastLimits = course.Limits{Memory: 256 << 20, CPUs: .1, PIDs: 64}

// mostHosts bounds a list.
const mostHosts = 100

// limitsPage is the page of a course's limits, or of the assignment's that the
// address names.
func (s *Site) limitsPage(w http.ResponseWriter, r *http.Request) error {
	v := visitOf(r)
	l, err := s.Store.LimitsOf(r.Context(), v.course.ID, v.assignment.ID)
	if err != nil {
		return err
	}
	return s.showLimits(w, r, http.StatusOK, limitsForm(l), nil, 0)
}

// limitsForm is how the form has limits.
func limitsForm(l course.Limits) func(string) string {
	number := func(n float64) string {
		if n == 0 {
			return ""
		}
		return strconv.FormatFloat(n, 'f', -1, 64)
	}
	form := map[string]string{"memory": number(float64(l.Memory) / (1 << 30)), "cpus": number(l.CPUs), "pids": number(float64(l.PIDs)),
		"network": string(l.Network), "hosts": strings.Join(l.Hosts, "\n")}
	return func(name string) string { return form[name] }
}

// showLimits shows the form. stops, if not 0, is how many workspaces it would
// stop, which is asked first.
func (s *Site) showLimits(w http.ResponseWriter, r *http.Request, status int, value func(string) string, errs []views.FieldError, stops int) error {
	v := visitOf(r)
	above, err := course.Limits{}, error(nil)
	p := views.LimitsView{Errors: errs, Enforced: s.Bounds.Enforced, Closes: s.Bounds.Closes}
	if v.assignment.ID == 0 {
		p.Page, p.Action, p.Back = s.coursePage(r, "Limits of workspaces", "settings"), limitsPath(v.course.Slug), settingsPath(v.course.Slug)
		p.Title, p.Text = "Limits of workspaces", "What every workspace of the course may use and reach. An assignment may have limits of its own, on its settings."
	} else {
		p.Page, p.Action = s.assignmentFrame(r, "Limits", "settings"), assignmentPart(v.course.Slug, v.assignment.Slug, "limits")
		p.Title, p.Back, p.Text = "Limits", assignmentPart(v.course.Slug, v.assignment.Slug, "settings"), "What workspaces may use and reach while this assignment is open: from its release, or when it opens, until it is due for the student. What is left empty is as the course has it."
		if above, err = s.Store.LimitsOf(r.Context(), v.course.ID, 0); err != nil {
			return err
		}
	}
	b, otherwise := s.Bounds, limitsForm(overlay(above, s.Bounds.Site))
	number := func(name, label, suffix, hint string) views.FieldView {
		return views.FieldView{Name: name, Label: label, Hint: hint, Value: value(name), Placeholder: otherwise(name), Suffix: suffix, Optional: true,
			InputMode: pick(name == "pids", "numeric", "decimal"), Error: errorOf(errs, name)}
	}
	p.Memory = number("memory", "Memory", "GiB", "At most "+gib(b.Most.Memory)+".")
	p.CPUs = number("cpus", "Processors", "cores", fmt.Sprintf("At most %g, also such as 0.5.", b.Most.CPUs))
	p.PIDs = number("pids", "Processes", "", fmt.Sprintf("At most %d, threads included.", b.Most.PIDs))
	p.Network = s.networkField(value("network"), above.Network, v.assignment.ID == 0, errs)
	p.Hosts = views.FieldView{Name: "hosts", Label: "Listed hosts", Value: value("hosts"), Rows: 5, Code: true, Optional: true, Error: errorOf(errs, "hosts"), Placeholder: "data.example.org\n*.example.edu",
		Hint: "For “Only listed hosts”: one name a line. *.example.org is every name below example.org, without itself. Ports are 80 and 443 unless one is given, as in files.example.edu:8443. Only hosts on the internet are reached, by HTTP and HTTPS."}
	if !b.Lists {
		p.Hosts = views.FieldView{}
	}
	if stops > 0 {
		p.Stops = plural(stops, "workspace")
	}
	return s.showStatus(w, r, status, views.Limits(p))
}

// networkField offers what can be kept to here.
func (s *Site) networkField(chosen string, above course.Network, whole bool, errs []views.FieldError) views.FieldView {
	words := map[course.Network]string{"": "open", course.NetworkOpen: "open", course.NetworkListed: "only listed hosts", course.NetworkOff: "closed"}
	f := views.FieldView{Name: "network", Label: "Network", Error: errorOf(errs, "network")}
	add := func(n course.Network, text, hint string) {
		f.Options = append(f.Options, views.Option{Value: string(n), Text: text, Hint: hint, Selected: chosen == string(n)})
	}
	if whole && chosen == "" {
		chosen = string(course.NetworkOpen)
	}
	if !whole {
		add("", "As the course has it", "Now "+words[above]+".")
	}
	add(course.NetworkOpen, "Open", "Workspaces reach the internet.")
	if s.Bounds.Lists {
		add(course.NetworkListed, "Only listed hosts", "By HTTP and HTTPS, and nothing else.")
	}
	add(course.NetworkOff, "Closed", "Workspaces reach nothing but Lectern: no packages, no data, no name is looked up.")
	return f
}

// overlay is l with what it leaves open taken from below.
func overlay(l, below course.Limits) course.Limits {
	if l.Memory == 0 {
		l.Memory = below.Memory
	}
	if l.CPUs == 0 {
		l.CPUs = below.CPUs
	}
	if l.PIDs == 0 {
		l.PIDs = below.PIDs
	}
	return l
}

func gib(n int64) string { return fmt.Sprintf("%g GiB", math.Round(float64(n)/(1<<30)*100)/100) }

// saveLimits sets them. Workspaces that this would stop are counted and asked
// about before anything is saved.
func (s *Site) saveLimits(w http.ResponseWriter, r *http.Request) error {
	v := visitOf(r)
	if !s.Bounds.Enforced {
		return course.Problemf(course.Conflict, "Workspaces of this site are plain processes: nothing keeps them to limits. Nothing was changed.")
	}
	l, err := s.readLimits(r)
	stops := 0
	if err == nil {
		err = s.Store.InTx(r.Context(), func(tx *store.Store) error {
			before, err := tx.TooOpenIn(r.Context(), v.course.ID, s.Now())
			if err == nil {
				err = tx.SaveLimits(r.Context(), v.course.ID, v.assignment.ID, l)
			}
			if err != nil {
				return err
			}
			after, err := tx.TooOpenIn(r.Context(), v.course.ID, s.Now())
			if err != nil {
				return err
			}
			if stops = after - before; stops > 0 && r.PostFormValue("stop") != "yes" {
				return errAskFirst
			}
			return tx.Record(r.Context(), course.Activity{Actor: v.user.ID, CourseID: v.course.ID, AssignmentID: v.assignment.ID,
				Verb: "changed limits of workspaces", Detail: limitsText(l)})
		})
	}
	if errors.Is(err, errAskFirst) {
		return s.showLimits(w, r, http.StatusUnprocessableEntity, r.PostFormValue, nil, stops)
	}
	if errs, ok := formErrors(err); ok {
		return s.showLimits(w, r, http.StatusUnprocessableEntity, r.PostFormValue, errs, 0)
	}
	if err != nil {
		return err
	}
	text := "Saved. It holds for workspaces that start from now on."
	if stops > 0 {
		text = fmt.Sprintf("Saved. %s with an open network %s being stopped.", plural(stops, "workspace"), pick(stops == 1, "is", "are"))
	}
	s.flash(r, "good", text)
	if v.assignment.ID != 0 {
		return seeOther(w, r, assignmentPart(v.course.Slug, v.assignment.Slug, "settings"))
	}
	return seeOther(w, r, settingsPath(v.course.Slug))
}

// errAskFirst takes back what would stop workspaces.
var errAskFirst = errors.New("handlers: workspaces would be stopped")

// readLimits reads the form. What is left empty is 0.
func (s *Site) readLimits(r *http.Request) (l course.Limits, err error) {
	var ps course.Problems
	number := func(name string, least, most, unit float64, words string) float64 {
		text := strings.ReplaceAll(strings.TrimSpace(r.PostFormValue(name)), ",", ".")
		if text == "" {
			return 0
		}
		n, err := strconv.ParseFloat(text, 64)
		n *= unit
		switch {
		case err != nil || math.IsNaN(n) || math.IsInf(n, 0):
			ps = append(ps, course.Fieldf(name, "Give a number."))
		case n < least:
			ps = append(ps, course.Fieldf(name, "Give "+words+" at least.", least/unit))
		case n > most:
			ps = append(ps, course.Fieldf(name, "The site allows at most "+words+".", most/unit))
		}
		return n
	}
	most := s.Bounds.Most
	l.Memory = int64(number("memory", float64(leastLimits.Memory), float64(most.Memory), 1<<30, "%g GiB"))
	l.CPUs = number("cpus", leastLimits.CPUs, most.CPUs, 1, "%g cores")
	pids := number("pids", float64(leastLimits.PIDs), float64(most.PIDs), 1, "%g processes")
	if l.PIDs = int64(pids); float64(l.PIDs) != pids {
		ps = append(ps, course.Fieldf("pids", "Give a whole number of processes."))
	}
	hosts, bad := readHosts(r.PostFormValue("hosts"))
	ps = append(ps, bad...)
	l.Hosts = hosts
	switch l.Network = course.Network(r.PostFormValue("network")); {
	case l.Network == "" || l.Network == course.NetworkOpen:
	case l.Network == course.NetworkOff && s.Bounds.Closes:
	case l.Network == course.NetworkListed && s.Bounds.Lists:
		if len(hosts) == 0 && len(bad) == 0 {
			ps = append(ps, course.Fieldf("hosts", "Name a host at least, or close the network."))
		}
	default:
		ps = append(ps, course.Fieldf("network", "This site cannot keep workspaces to that. Choose another."))
	}
	return l, ps.OrNil()
}

// readHosts reads a list, each name once.
func readHosts(text string) (hosts []string, ps course.Problems) {
	seen := map[string]bool{}
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		h, err := course.ParseHost(line)
		if err != nil {
			return nil, course.Problems{course.Fieldf("hosts", "%s", err)}
		}
		if !seen[h.String()] {
			seen[h.String()], hosts = true, append(hosts, h.String())
		}
	}
	if len(hosts) > mostHosts {
		return nil, course.Problems{course.Fieldf("hosts", "A list has at most %d hosts.", mostHosts)}
	}
	return hosts, nil
}

// limitsText is a line of the log.
func limitsText(l course.Limits) string {
	value := limitsForm(l)
	var list []string
	for _, name := range []string{"memory", "cpus", "pids", "network"} {
		text := value(name)
		if text == "" {
			text = "–"
		}
		list = append(list, map[string]string{"memory": "GiB of memory", "cpus": "cores", "pids": "processes", "network": "network"}[name]+" "+text)
	}
	if l.Network == course.NetworkListed {
		list = append(list, clip(strings.Join(l.Hosts, " "), 500))
	}
	return strings.Join(list, ", ")
}
