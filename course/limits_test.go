package course_test

import (
	"reflect"
	"strings"
	"testing"

	"lectern/course"
)

func TestLimitsTogether(t *testing.T) {
	t.Parallel()
	site := course.Limits{Memory: 1 << 30, CPUs: 1, PIDs: 256}
	most := course.Limits{Memory: 4 << 30, CPUs: 2, PIDs: 1024}
	list := func(hosts ...string) course.Limits { return course.Limits{Network: course.NetworkListed, Hosts: hosts} }
	for _, c := range []struct {
		name string
		all  []course.Limits
		want course.Held
	}{
		{"nothing said is the site's", nil, course.Held{Memory: 1 << 30, CPUs: 1, PIDs: 256, Network: course.NetworkOpen}},
		{"nor by an assignment", []course.Limits{{}}, course.Held{Memory: 1 << 30, CPUs: 1, PIDs: 256, Network: course.NetworkOpen}},
		{"less than the site's", []course.Limits{{Memory: 512 << 20, CPUs: .5, PIDs: 100}}, course.Held{Memory: 512 << 20, CPUs: .5, PIDs: 100, Network: course.NetworkOpen}},
		{"the most of several", []course.Limits{{Memory: 512 << 20, PIDs: 900}, {CPUs: 2}}, course.Held{Memory: 1 << 30, CPUs: 2, PIDs: 900, Network: course.NetworkOpen}},
		{"never more than the most", []course.Limits{{Memory: 64 << 30, CPUs: 64, PIDs: 1 << 20}}, course.Held{Memory: 4 << 30, CPUs: 2, PIDs: 1024, Network: course.NetworkOpen}},
		{"one closes it", []course.Limits{{}, {Network: course.NetworkOff}, list("a.org")}, course.Held{Memory: 1 << 30, CPUs: 1, PIDs: 256, Network: course.NetworkOff}},
		{"lists are all kept", []course.Limits{list("a.org", "b.org"), {Network: course.NetworkOpen}, list("b.org")},
			course.Held{Memory: 1 << 30, CPUs: 1, PIDs: 256, Network: course.NetworkListed, Lists: [][]string{{"a.org", "b.org"}, {"b.org"}}}},
	} {
		if got := course.Together(c.all, site, most); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
	both := course.Together([]course.Limits{list("a.org", "*.b.org:8443"), list("*.b.org:8443", "c.org")}, site, most)
	for host, want := range map[string]bool{"a.org": false, "c.org": false, "x.b.org": true, "b.org": false} {
		port := 443
		if strings.HasSuffix(host, "b.org") {
			port = 8443
		}
		if got := both.Reaches(host, port); got != want {
			t.Errorf("reaches %s:%d = %v, want %v", host, port, got, want)
		}
	}
	off := course.Together([]course.Limits{list("a.org"), {Network: course.NetworkOff}}, site, most)
	if off.Reaches("a.org", 443) || course.Together(nil, site, most).Reaches("a.org", 443) {
		t.Error("a list opens what is off, or is asked where the network is open")
	}
}

func TestHosts(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		" Data.Example.org ": "data.example.org", "*.example.edu": "*.example.edu", "x.example.edu:8443": "x.example.edu:8443", "xn--bcher-kva.example": "xn--bcher-kva.example",
		"*": "", "*.": "", "org": "", "*.org": "", "": "", ".": "", "a..b": "", "-a.org": "", "a-.org": "", "a.org.": "", "a_b.org": "", "a.*.org": "", "*a.org": "",
		"127.0.0.1": "", "10.1.2.3:80": "", "[::1]:80": "", "::1": "", "169.254.169.254": "", "a.org:0": "", "a.org:080": "", "a.org:65536": "", "a.org:": "", "a.org:x": "",
		"http://a.org": "", "a.org/x": "", "bücher.example": "", "a.org\nb.org": "", "a.0x7f": "", strings.Repeat("a", 64) + ".org": "", strings.Repeat("a.", 130) + "org": "",
	} {
		h, err := course.ParseHost(line)
		if got := h.String(); (err == nil) != (want != "") || err == nil && got != want {
			t.Errorf("%q = %q, %v; want %q", line, got, err, want)
		}
	}
	for _, c := range []struct {
		line, name string
		port       int
		want       bool
	}{
		{"data.example.org", "data.example.org", 443, true}, {"data.example.org", "data.example.org", 80, true}, {"data.example.org", "data.example.org", 22, false},
		{"data.example.org", "a.data.example.org", 443, false}, {"data.example.org", "evildata.example.org", 443, false},
		{"*.data.example.org", "a.data.example.org", 443, true}, {"*.data.example.org", "a.b.data.example.org", 443, true}, {"*.data.example.org", "data.example.org", 443, false}, {"*.data.example.org", "evildata.example.org", 443, false},
		{"a.org:8443", "a.org", 8443, true}, {"a.org:8443", "a.org", 443, false},
	} {
		h, err := course.ParseHost(c.line)
		if got := h.Is(c.name, c.port); err != nil || got != c.want {
			t.Errorf("%s is %s:%d: %v, %v; want %v", c.line, c.name, c.port, got, err, c.want)
		}
	}
}
