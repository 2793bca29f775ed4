package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"time"
)

// plan is how large the class is, how long it works and how it behaves.
type plan struct {
	site       *url.URL
	addr       netip.AddrPort // what every name of the site leads to
	course     string
	assignment string
	logins     string // with one %d for the student's number
	password   string // empty signs in to the demo
	enrol      string // login of an instructor who puts the students on the roster
	students   int
	messy      float64       // share of students who are
	arrive     time.Duration // over which they come
	work       time.Duration // of each, from the first cell until handing in
	think      time.Duration // between two cells
	save       time.Duration // between two saves
	poll       time.Duration // between two looks at kernels, sessions and the folder
	memory     int           // of a spike, MiB
	stop       bool          // workspaces in the end
	seed       uint64
}

// What nobody may exceed, whatever the flags say: this is a class, not an attack.
const (
	maxStudents = 500
	maxTime     = 30 * time.Minute
	minPause    = 200 * time.Millisecond // between two things a student does
	maxMemory   = 512                    // MiB
)

func parse(args []string, stderr io.Writer) (p plan, asJSON bool, err error) {
	f := flag.NewFlagSet("classload", flag.ContinueOnError)
	f.SetOutput(stderr)
	site := f.String("site", "http://localhost:8000", "address of Lectern on this machine")
	f.StringVar(&p.course, "course", "demo", "course")
	f.StringVar(&p.assignment, "assignment", "first-steps", "assignment that is opened and handed in")
	f.StringVar(&p.logins, "logins", "student%d", "the students' logins")
	f.StringVar(&p.password, "password", "", "of every student; without one they sign in to the demo")
	f.StringVar(&p.enrol, "enrol", "", "instructor of the demo who first puts the students on the roster")
	f.IntVar(&p.students, "students", 20, fmt.Sprintf("how many, at most %d", maxStudents))
	profile := f.String("profile", "mixed", "smooth, messy, or mixed: one in three is messy")
	f.DurationVar(&p.arrive, "arrive", 10*time.Second, "time over which they come")
	f.DurationVar(&p.work, "work", time.Minute, fmt.Sprintf("time that each works before handing in, at most %v", maxTime))
	f.DurationVar(&p.think, "think", 5*time.Second, "between two cells")
	f.DurationVar(&p.save, "save", 30*time.Second, "between two saves")
	f.DurationVar(&p.poll, "poll", 10*time.Second, "between two looks at kernels and files")
	f.IntVar(&p.memory, "memory", 100, fmt.Sprintf("MiB of a messy student's spike, at most %d", maxMemory))
	f.BoolVar(&p.stop, "stop", false, "stop the workspaces in the end")
	f.Uint64Var(&p.seed, "seed", 1, "of the messy students' choices")
	f.BoolVar(&asJSON, "json", false, "report as JSON")
	if err := f.Parse(args); err != nil {
		return p, asJSON, err
	}
	switch *profile {
	case "smooth":
	case "messy":
		p.messy = 1
	case "mixed":
		p.messy = 1. / 3
	default:
		err = fmt.Errorf("no profile is named %q", *profile)
	}
	var siteErr error
	p.site, p.addr, siteErr = loopback(*site)
	return p, asJSON, errors.Join(err, siteErr, p.check(f.Args()))
}

func (p plan) check(rest []string) error {
	switch {
	case len(rest) > 0:
		return fmt.Errorf("%q is no flag", rest[0])
	case p.students < 1 || p.students > maxStudents:
		return fmt.Errorf("%d students: between 1 and %d may come", p.students, maxStudents)
	case p.arrive < 0 || p.work < 0 || p.arrive+p.work > maxTime:
		return fmt.Errorf("they come within %v and work for %v: that must be at most %v", p.arrive, p.work, maxTime)
	case min(p.think, p.save, p.poll) < minPause:
		return fmt.Errorf("nobody does anything more often than every %v", minPause)
	case p.memory < 0 || p.memory > maxMemory:
		return fmt.Errorf("a spike of %d MiB: at most %d", p.memory, maxMemory)
	case strings.Count(p.logins, "%") != 1 || !strings.Contains(p.logins, "%d"):
		return fmt.Errorf("logins %q need one %%d", p.logins)
	}
	return nil
}

// messyOne tells who is messy, spread over the class.
func (p plan) messyOne(n int) bool {
	return int(float64(n)*p.messy) > int(float64(n-1)*p.messy)
}

// loopback is the site, if it is on this machine: localhost, a name below it,
// or a loopback address. No name server is asked, so none can say otherwise.
func loopback(site string) (*url.URL, netip.AddrPort, error) {
	var none netip.AddrPort
	u, err := url.Parse(site)
	if err != nil {
		return nil, none, err
	}
	if u.Scheme != "http" || u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" {
		return nil, none, fmt.Errorf("%s: want http://, a host and a port", site)
	}
	port := u.Port()
	if port == "" {
		port = "80"
	}
	host := u.Hostname()
	if ours(host, "localhost") {
		host = "127.0.0.1"
	}
	addr, err := netip.ParseAddrPort(net.JoinHostPort(host, port))
	if err != nil || !addr.Addr().Unmap().IsLoopback() {
		return nil, none, fmt.Errorf("%s is not on this machine; a class of this kind is let loose on nothing else", site)
	}
	u.Path = ""
	return u, addr, nil
}

// ours reports whether a host is name or below it.
func ours(host, name string) bool {
	host, name = strings.ToLower(host), strings.ToLower(name)
	return host == name || strings.HasSuffix(host, "."+name)
}
