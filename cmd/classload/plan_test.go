package main

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestAClassIsLetLooseOnThisMachineOnly(t *testing.T) {
	t.Parallel()
	for site, want := range map[string]string{
		"http://localhost:8000":            "127.0.0.1:8000",
		"http://lectern.localhost:81/":     "127.0.0.1:81",
		"http://127.0.0.1:8000":            "127.0.0.1:8000",
		"http://[::1]:8000":                "[::1]:8000",
		"http://localhost":                 "127.0.0.1:80",
		"http://[::ffff:127.0.0.2]:80":     "[::ffff:127.0.0.2]:80",
		"https://localhost:8000":           "",
		"http://lectern.example.edu":       "",
		"http://10.0.0.1:8000":             "",
		"http://0.0.0.0:8000":              "",
		"http://[::]:8000":                 "",
		"http://localhost.example.edu":     "",
		"http://notlocalhost:8000":         "",
		"http://127.0.0.1.example.edu:80":  "",
		"http://localhost@example.edu":     "",
		"http://user@localhost:8000":       "",
		"http://localhost:8000/elsewhere":  "",
		"//localhost:8000":                 "",
		"":                                 "",
		"http://169.254.169.254":           "",
		"http://[fe80::1%25lo]:8000":       "",
		"http://2130706433:80":             "",
		"http://localhost:8000?x=http://a": "",
	} {
		_, addr, err := loopback(site)
		if got := addr.String(); (want == "") != (err != nil) || want != "" && got != want {
			t.Errorf("%q leads to %s, %v; want %q", site, got, err, want)
		}
	}
}

func TestABrowserGoesNowhereElse(t *testing.T) {
	t.Parallel()
	asked := 0
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked++ }))
	defer other.Close()
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://example.com/", http.StatusSeeOther)
	}))
	defer site.Close()
	p, _, err := parse([]string{"-site", strings.Replace(site.URL, "127.0.0.1", "localhost", 1)}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	b := newBrowser(p)
	defer b.close()
	next, err := b.post(context.Background(), "/", nil)
	if err != nil || next != "http://example.com/" {
		t.Fatalf("post leads to %q, %v", next, err)
	}
	// Another host, and another server of this machine under a name that is not the site's.
	for _, to := range []string{next, other.URL, "http://localhost.example.com/"} {
		if _, err := b.get(context.Background(), to); err == nil || !strings.Contains(err.Error(), "does not belong to") {
			t.Errorf("%s: %v; want a refusal", to, err)
		}
	}
	if asked != 0 {
		t.Errorf("another server was asked %d times", asked)
	}
}

func TestThePlanHasLimits(t *testing.T) {
	t.Parallel()
	for args, ok := range map[string]bool{
		"":                                true,
		"-students 500 -work 29m":         true,
		"-students 501":                   false,
		"-students 0":                     false,
		"-work 31m":                       false,
		"-work 25m -arrive 6m":            false,
		"-work -1s":                       false,
		"-arrive -1s":                     false,
		"-think 10ms":                     false,
		"-save 0s":                        false,
		"-poll 100ms":                     false,
		"-memory 513":                     false,
		"-memory -1":                      false,
		"-logins person":                  false,
		"-logins %s%d":                    false,
		"-profile wild":                   false,
		"-site http://lectern.example.de": false,
		"more":                            false,
	} {
		if _, _, err := parse(strings.Fields(args), io.Discard); (err == nil) != ok {
			t.Errorf("%q: %v, want it taken: %v", args, err, ok)
		}
	}
	var out, errs strings.Builder
	if code := run(context.Background(), []string{"-site", "http://example.com"}, &out, &errs); code != 2 || !strings.Contains(errs.String(), "not on this machine") {
		t.Errorf("run elsewhere gives %d and says %q", code, errs.String())
	}
}

func TestMessyStudentsAreSpreadOverTheClass(t *testing.T) {
	t.Parallel()
	for share, want := range map[float64]int{0: 0, 1. / 3: 10, 0.5: 15, 1: 30} {
		p, n, last := plan{messy: share}, 0, 0
		for i := 1; i <= 30; i++ {
			if p.messyOne(i) {
				n, last = n+1, i
			}
		}
		if n != want || want > 0 && last < 28 {
			t.Errorf("%.2f of 30: %d messy, the last is number %d; want %d", share, n, last, want)
		}
	}
}
