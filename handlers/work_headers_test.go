package handlers

import (
	"net/http"
	"reflect"
	"testing"
)

func TestOnlyOurCookiesAreKeptFromAWorkspace(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ in, want []string }{
		"none":                          {nil, nil},
		"only ours":                     {[]string{"lectern=a; lectern-work=b"}, nil},
		"ours among theirs":             {[]string{"_xsrf=2|x|y; __Host-lectern-work=b; username-a=\"2|1:0|8:u\""}, []string{"_xsrf=2|x|y; username-a=\"2|1:0|8:u\""}},
		"several lines":                 {[]string{"a=1; __Host-lectern=x", "__Host-lectern-work=y", "b=2"}, []string{"a=1", "b=2"}},
		"no blank after the semicolon":  {[]string{"a=1;lectern=x;b=2"}, []string{"a=1; b=2"}},
		"blanks and tabs":               {[]string{"a=1;\t lectern=x ;  b=2"}, []string{"a=1; b=2"}},
		"a name that only begins so":    {[]string{"lecternish=1; xlectern=2"}, []string{"lecternish=1; xlectern=2"}},
		"names are exact":               {[]string{"Lectern=1"}, []string{"Lectern=1"}},
		"our name without a value":      {[]string{"lectern; a=1"}, []string{"a=1"}},
		"equals signs in a value":       {[]string{"a=b=c; lectern==="}, []string{"a=b=c"}},
		"twice ours":                    {[]string{"lectern=1; lectern=2; a=3"}, []string{"a=3"}},
		"an empty part":                 {[]string{"; ;a=1;"}, []string{"a=1"}},
		"a value that names our cookie": {[]string{"a=lectern=b"}, []string{"a=lectern=b"}},
	} {
		h := http.Header{}
		if tc.in != nil {
			h["Cookie"] = tc.in
		}
		stripOwnCookies(h)
		if got := h["Cookie"]; !reflect.DeepEqual(got, tc.want) {
			t.Errorf("%s: %q becomes %q, want %q", name, tc.in, got, tc.want)
		}
	}
}

func TestACookieThatCameTwiceIsRefused(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"":                                       "",
		"a=1":                                    "",
		"lectern-work=x":                         "x",
		"a=1; lectern-work=x":                    "x",
		"lectern-work=x; lectern-work=y":         "twice",
		"lectern-work=x;a=1;lectern-work=x":      "twice",
		"lectern-work; lectern-work=y":           "twice",
		"__Host-lectern-work=x; lectern-work=ok": "ok",
	} {
		got, err := ownCookie(http.Header{"Cookie": {in}}, "lectern-work")
		if (err != nil) != (want == "twice") || (err == nil && got != want) {
			t.Errorf("%q: %q, %v; want %q", in, got, err, want)
		}
	}
	if _, err := ownCookie(http.Header{"Cookie": {"lectern-work=x", "lectern-work=y"}}, "lectern-work"); err == nil {
		t.Error("twice over two lines passes")
	}
}

func TestWhatAWorkspaceMayNotSayIsDropped(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"Clear-Site-Data", "Service-Worker-Allowed", "Strict-Transport-Security", "Alt-Svc",
		"Public-Key-Pins", "Expect-CT", "NEL", "Report-To", "Reporting-Endpoints", "Origin-Agent-Cluster", "X-Sendfile",
		"X-Accel-Redirect", "x-accel-buffering", "X-ACCEL-Expires"} {
		h := http.Header{}
		h.Set(name, "x")
		h.Set("Content-Type", "text/plain")
		cleanResponse(h)
		if h.Get(name) != "" || h.Get("Content-Type") == "" {
			t.Errorf("%s: left with %v", name, h)
		}
	}
	for _, name := range []string{"Content-Security-Policy", "ETag", "Content-Disposition", "X-Jupyter", "Last-Modified", "Location"} {
		h := http.Header{}
		h.Set(name, "x")
		if cleanResponse(h); h.Get(name) != "x" {
			t.Errorf("%s is gone, want it kept", name)
		}
	}
}

func TestAWorkspacesCookiesStayOnItsHost(t *testing.T) {
	t.Parallel()
	for line, keep := range map[string]bool{
		"_xsrf=1; Path=/":                         true,
		"username-x=\"2|1\"; HttpOnly; Path=/":    true,
		"a=b; SameSite=None; Secure":              true,
		"a=domain":                                true,
		"a=b; Domain=work.example.edu":            false,
		"a=b; domain=.example.edu":                false,
		"a=b; DOMAIN = example.edu ; Path=/":      false,
		"a=b;Domain":                              false,
		"a=b; Domain=":                            false,
		"a=b; Path=/; Domain=x; Domain=y":         false,
		"lectern=stolen; Path=/":                  false,
		" lectern-work =x":                        false,
		"__Host-lectern-work=x; Secure; Path=/":   false,
		"__Host-lectern=x":                        false,
		"no pair at all":                          false,
		"a=b\r\nSet-Cookie: lectern=x; Path=/foo": false,
	} {
		h := http.Header{"Set-Cookie": {"keep=1", line}}
		cleanResponse(h)
		if got := len(h["Set-Cookie"]) == 2; got != keep {
			t.Errorf("%q: kept %v, want %v", line, got, keep)
		}
	}
}

func TestTheWayOnStaysOnThisHost(t *testing.T) {
	t.Parallel()
	for in, ok := range map[string]bool{
		"/lab/tree/ps1/a.ipynb": true, "/lab?x=//evil": true, "/lab/tree/a%20b.ipynb": true, "/": true, "/lab#x": true,
		"": false, "lab": false, "//evil.example": false, "///evil.example": false, `/\evil.example`: false,
		`\/evil.example`: false, "https:evil.example": false, "https://evil.example/": false, "javascript:alert(1)": false,
		"/%5cevil.example": false, "/%2f/evil.example": false, "/%2Fevil": false, "/a\r\nSet-Cookie: x": false, "/a%0d%0ab": false,
		"/\tevil": false, " /lab": false, "?x": false, "/%zz": false,
	} {
		want := "/"
		if ok {
			want = in
		}
		if got := safePath(in); got != want {
			t.Errorf("safePath(%q) = %q, want %q", in, got, want)
		}
	}
}

func FuzzTheWayOnStaysOnThisHost(f *testing.F) {
	for _, s := range []string{"/lab", "//evil", `/\evil`, "/%5cevil", "https:evil", "/a/..//evil", "/%2f%2fevil"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := safePath(s)
		base := "http://abc.work.test"
		r, err := http.NewRequest(http.MethodGet, base, nil)
		if err != nil {
			t.Fatal(err)
		}
		to, err := r.URL.Parse(got)
		if err != nil || to.Host != r.URL.Host || to.Scheme != "http" || to.User != nil {
			t.Errorf("safePath(%q) = %q leads to %v, %v", s, got, to, err)
		}
	})
}

func TestOnlyAWorkspacesAddressIsDialled(t *testing.T) {
	t.Parallel()
	for addr, want := range map[string][2]bool{ // by containers, by processes
		"172.20.0.5:8888":           {true, true},
		"10.0.3.4:40001":            {true, true},
		"[fd00::5]:8888":            {true, true},
		"127.0.0.1:8888":            {false, true},
		"127.0.0.1:80":              {false, false},
		"[::1]:8888":                {false, true},
		"[::ffff:127.0.0.1]:8888":   {false, true},
		"169.254.169.254:8888":      {false, false},
		"[fe80::1]:8888":            {false, false},
		"0.0.0.0:8888":              {false, false},
		"[::]:8888":                 {false, false},
		"224.0.0.1:8888":            {false, false},
		"255.255.255.255:8888":      {false, false},
		"172.20.0.5:5432":           {false, false},
		"172.20.0.1:2375":           {false, false},
		"172.20.0.1:2376":           {false, false},
		"172.20.0.1:22":             {false, false},
		"localhost:8888":            {false, false},
		"postgres:8888":             {false, false},
		"172.20.0.5":                {false, false},
		"172.20.0.5:8888/../../etc": {false, false},
		"":                          {false, false},
	} {
		for i, loopback := range []bool{false, true} {
			err := (&Work{loopback: loopback}).mayDial(addr)
			if (err == nil) != want[i] {
				t.Errorf("%q with processes %v: %v, want it allowed: %v", addr, loopback, err, want[i])
			}
		}
	}
}

func TestASignOfLifeIsNotInput(t *testing.T) {
	t.Parallel()
	frame := func(op byte, n int) []byte {
		if n > 125 {
			return append([]byte{0x80 | op, 0x80 | 126, byte(n >> 8), byte(n), 1, 2, 3, 4}, make([]byte, n)...)
		}
		return append([]byte{0x80 | op, 0x80 | byte(n), 1, 2, 3, 4}, make([]byte, n)...)
	}
	for name, tc := range map[string]struct {
		b    []byte
		want bool
	}{
		"an empty pong":       {frame(0xA, 0), true},
		"a pong with payload": {frame(0xA, 20), true},
		"a ping":              {frame(0x9, 4), true},
		"a close":             {frame(0x8, 2), true},
		"a text message":      {frame(0x1, 20), false},
		"a binary message":    {frame(0x2, 20), false},
		"a long message":      {frame(0x2, 4000), false},
		"a pong and a text":   {append(frame(0xA, 0), frame(0x1, 3)...), false},
		"half a frame":        {frame(0xA, 20)[:10], false},
		"nothing":             {nil, false},
	} {
		if got := onlyControl(tc.b); got != tc.want {
			t.Errorf("%s: %v, want %v", name, got, tc.want)
		}
	}
}
