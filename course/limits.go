package course

import (
	"slices"
	"strconv"
	"strings"
)

// Limits bound the workspaces of a course or of one of its assignments. What is
// zero is the course's, and then the site's.
type Limits struct {
	Memory  int64   // bytes
	CPUs    float64 // cores
	PIDs    int64   // processes and threads
	Network Network
	Hosts   []string // that NetworkListed leaves; see [ParseHost]. They go with Network.
}

// Network is what a workspace reaches beside Lectern, which reaches it.
type Network string

const (
	NetworkOpen   Network = "open"
	NetworkListed Network = "listed" // only some hosts, by HTTP and HTTPS
	NetworkOff    Network = "off"
)

// strictness orders networks, from open to closed.
var strictness = []Network{"", NetworkOpen, NetworkListed, NetworkOff}

// Held is what holds for one workspace.
type Held struct {
	Memory  int64
	CPUs    float64
	PIDs    int64
	Network Network
	// Lists are the hosts of every piece of work that names some; one that is
	// not on each of them is not reached.
	Lists [][]string
}

// Together is what holds for a workspace that serves all these pieces of work:
// the most memory, processors and processes that any of them has, never more
// than most, and the strictest network. What none of them says is the site's.
func Together(all []Limits, site, most Limits) Held {
	h := Held{Network: NetworkOpen}
	for _, l := range all {
		if l.Memory == 0 {
			l.Memory = site.Memory
		}
		if l.CPUs == 0 {
			l.CPUs = site.CPUs
		}
		if l.PIDs == 0 {
			l.PIDs = site.PIDs
		}
		h.Memory, h.CPUs, h.PIDs = max(h.Memory, l.Memory), max(h.CPUs, l.CPUs), max(h.PIDs, l.PIDs)
		if slices.Index(strictness, l.Network) > slices.Index(strictness, h.Network) {
			h.Network = l.Network
		}
		if l.Network == NetworkListed {
			h.Lists = append(h.Lists, l.Hosts)
		}
	}
	if len(all) == 0 {
		h.Memory, h.CPUs, h.PIDs = site.Memory, site.CPUs, site.PIDs
	}
	h.Memory, h.CPUs, h.PIDs = min(h.Memory, most.Memory), min(h.CPUs, most.CPUs), min(h.PIDs, most.PIDs)
	if h.Network == NetworkOff {
		h.Lists = nil
	}
	return h
}

// Reaches reports whether a port of a host may be reached by a workspace on
// [NetworkListed]; name is lower case and has no dot at its end.
func (h Held) Reaches(name string, port int) bool {
	if h.Network != NetworkListed || len(h.Lists) == 0 {
		return false
	}
	for _, list := range h.Lists {
		if !slices.ContainsFunc(list, func(text string) bool {
			host, err := ParseHost(text)
			return err == nil && host.Is(name, port)
		}) {
			return false
		}
	}
	return true
}

// Host is one line of a list: data.example.org, *.example.edu or files.example.edu:8443.
type Host struct {
	Name  string // lower case
	Below bool   // every name that ends in it, and not the name itself
	Port  int    // 0 is 80 and 443
}

// Is reports whether the line means this port of this host.
func (h Host) Is(name string, port int) bool {
	if h.Port != port && (h.Port != 0 || port != 80 && port != 443) {
		return false
	}
	if h.Below {
		return strings.HasSuffix(name, "."+h.Name)
	}
	return name == h.Name
}

// String is the line, in its one form.
func (h Host) String() string {
	s := h.Name
	if h.Below {
		s = "*." + s
	}
	if h.Port != 0 {
		s += ":" + strconv.Itoa(h.Port)
	}
	return s
}

// ParseHost reads one line of a list. Addresses are refused: what is reached is
// looked up by name, each time.
func ParseHost(line string) (Host, error) {
	bad := func() (Host, error) {
		return Host{}, Problemf(Invalid, "“%.80s” is no name such as data.example.org, *.example.edu or files.example.edu:8443.", line)
	}
	name, port, given := strings.Cut(strings.ToLower(strings.TrimSpace(line)), ":")
	var h Host
	if given {
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || n == 0 || port[0] == '0' {
			return bad()
		}
		h.Port = int(n)
	}
	h.Name, h.Below = strings.CutPrefix(name, "*.")
	labels := strings.Split(h.Name, ".")
	if len(h.Name) > 253 || len(labels) < 2 || !hasLetter(labels[len(labels)-1]) {
		return bad()
	}
	for _, l := range labels {
		if l == "" || len(l) > 63 || l[0] == '-' || l[len(l)-1] == '-' ||
			strings.Trim(l, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
			return bad()
		}
	}
	return h, nil
}

// hasLetter tells a name from an address: no top-level domain is a number.
func hasLetter(s string) bool { return s != "" && (s[0] < '0' || s[0] > '9') }
