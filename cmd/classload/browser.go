package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"time"
)

// patience is how long a student waits for one answer before calling it failed.
const patience = time.Minute

// browser is one person's: cookies, six connections to a host, and no way to
// any address but the site's.
type browser struct {
	site   *url.URL
	client *http.Client
}

func newBrowser(p plan) *browser {
	jar, _ := cookiejar.New(nil)
	tr := &http.Transport{MaxConnsPerHost: 64, MaxIdleConnsPerHost: 6, DisableCompression: true,
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			host, _, err := net.SplitHostPort(addr)
			if err != nil || !ours(host, p.site.Hostname()) {
				return nil, fmt.Errorf("%s does not belong to %s", addr, p.site)
			}
			return new(net.Dialer).DialContext(ctx, network, p.addr.String())
		}}
	return &browser{site: p.site, client: &http.Client{Transport: tr, Jar: jar,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

func (b *browser) close() { b.client.CloseIdleConnections() }

// page is an answer read to its end.
type page struct {
	at       *url.URL
	status   int
	location string
	kind     string
	text     string
}

// ask sends what a page of the same host would, once. An address that begins
// with a slash is the site's.
func (b *browser) ask(ctx context.Context, method, to, kind string, body string) (page, error) {
	if strings.HasPrefix(to, "/") {
		to = b.site.String() + to
	}
	ctx, done := context.WithTimeout(ctx, patience)
	defer done()
	r, err := http.NewRequestWithContext(ctx, method, to, strings.NewReader(body))
	if err != nil {
		return page{}, err
	}
	r.Header.Set("Accept", "text/html,*/*;q=0.8")
	if kind != "" {
		r.Header.Set("Content-Type", kind)
		r.Header.Set("Origin", origin(r.URL))
		r.Header.Set("Accept", "application/json,text/html;q=0.8")
	}
	res, err := b.client.Do(r)
	if err != nil {
		return page{}, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	return page{r.URL, res.StatusCode, res.Header.Get("Location"), res.Header.Get("Content-Type"), string(text)}, err
}

// want is an answer of one of these kinds, 2 for 200 to 299 and so on, or an error.
func (b *browser) want(ctx context.Context, class int, method, to, kind, body string) (page, error) {
	got, err := b.ask(ctx, method, to, kind, body)
	if err == nil && got.status/100 != class {
		err = fmt.Errorf("%s %s: %d %s", method, pathOf(got.at), got.status, brief(got.text))
	}
	return got, err
}

func (b *browser) get(ctx context.Context, to string) (page, error) {
	return b.want(ctx, 2, http.MethodGet, to, "", "")
}

// post sends a form and gives where it leads.
func (b *browser) post(ctx context.Context, to string, form url.Values) (string, error) {
	got, err := b.want(ctx, 3, http.MethodPost, to, "application/x-www-form-urlencoded", form.Encode())
	if err != nil {
		return "", err
	}
	next, err := got.at.Parse(got.location)
	if err != nil {
		return "", err
	}
	return next.String(), nil
}

func (b *browser) json(ctx context.Context, method, to, body string) (string, error) {
	got, err := b.want(ctx, 2, method, to, "application/json", body)
	return got.text, err
}

func origin(u *url.URL) string { return u.Scheme + "://" + u.Host }

// pathOf leaves out what differs from one student to the next, so that the same
// failure of many is counted as one.
func pathOf(u *url.URL) string {
	parts := strings.Split(u.Path, "/")
	for i, p := range parts {
		if i > 0 && (parts[i-1] == "workspaces" || parts[i-1] == "receipts" || parts[i-1] == "kernels") && p != "" {
			parts[i] = "…"
		}
	}
	return strings.Join(parts, "/")
}

var tags = regexp.MustCompile(`<(script|style|head)[^>]*>[\s\S]*?</(script|style|head)>|<[^>]*>`)

// brief is the beginning of what an answer says to a person.
func brief(text string) string {
	if _, main, ok := strings.Cut(text, "<main"); ok {
		text = "<main" + main
	}
	words := strings.Fields(tags.ReplaceAllString(text, " "))
	text = strings.Join(words, " ")
	return text[:min(len(text), 160)]
}
