package handlers

import (
	"errors"
	"net/http"
	"net/textproto"
	"strings"
)

// ours are the cookies of the site and of workspace hosts. No program in a
// workspace may read or set one.
var ours = map[string]bool{
	"lectern": true, "__Host-lectern": true,
	"lectern-work": true, "__Host-lectern-work": true,
}

var errCookieTwice = errors.New("a cookie came twice")

// ownCookie is the value of the cookie of this name, empty without one. Twice
// the same name is an error: a neighbouring host may have planted one of them.
func ownCookie(h http.Header, name string) (string, error) {
	value, found := "", false
	for _, line := range h["Cookie"] {
		for part := range strings.SplitSeq(line, ";") {
			k, v, _ := strings.Cut(textproto.TrimString(part), "=")
			if k != name {
				continue
			}
			if found {
				return "", errCookieTwice
			}
			value, found = v, true
		}
	}
	return value, nil
}

// stripOwnCookies removes our cookies from a request and leaves every other one
// as the browser sent it.
func stripOwnCookies(h http.Header) {
	lines := h["Cookie"]
	if len(lines) == 0 {
		return
	}
	kept := lines[:0:0]
	for _, line := range lines {
		var parts []string
		for part := range strings.SplitSeq(line, ";") {
			part = textproto.TrimString(part)
			k, _, _ := strings.Cut(part, "=")
			if part != "" && !ours[k] {
				parts = append(parts, part)
			}
		}
		if len(parts) > 0 {
			kept = append(kept, strings.Join(parts, "; "))
		}
	}
	if len(kept) == 0 {
		h.Del("Cookie")
		return
	}
	h["Cookie"] = kept
}

// notTheirs are response headers, as net/http spells them, by which a program in
// a workspace could act on more than its own pages: on the browser's store, on
// the connection, on the names around it or on a proxy in front of us.
var notTheirs = map[string]bool{
	"Clear-Site-Data": true, "Service-Worker-Allowed": true, "Strict-Transport-Security": true, "Alt-Svc": true,
	"Public-Key-Pins": true, "Public-Key-Pins-Report-Only": true, "Expect-Ct": true, "Nel": true, "Report-To": true,
	"Reporting-Endpoints": true, "Origin-Agent-Cluster": true, "Set-Login": true, "Sec-Session-Registration": true,
	"X-Sendfile": true, "X-Lighttpd-Send-File": true, "X-Reproxy-Url": true,
}

// cleanResponse removes from a workspace's answer what is not its to say.
func cleanResponse(h http.Header) {
	for k := range h {
		if notTheirs[k] || strings.HasPrefix(k, "X-Accel-") {
			delete(h, k)
		}
	}
	cookies := h["Set-Cookie"]
	if len(cookies) == 0 {
		return
	}
	kept := cookies[:0:0]
	for _, c := range cookies {
		if cookieStaysHome(c) {
			kept = append(kept, c)
		}
	}
	if len(kept) == 0 {
		h.Del("Set-Cookie")
		return
	}
	h["Set-Cookie"] = kept
}

// cookieStaysHome reports whether a Set-Cookie line keeps to its own host and
// is not one of our names. Browsers take the last of several attributes and
// disregard case and blanks, so any Domain at all is refused.
func cookieStaysHome(line string) bool {
	pair, attrs, _ := strings.Cut(line, ";")
	name, _, ok := strings.Cut(pair, "=")
	if !ok || ours[textproto.TrimString(name)] || strings.ContainsAny(line, "\x00\r\n") {
		return false
	}
	for attr := range strings.SplitSeq(attrs, ";") {
		k, _, _ := strings.Cut(attr, "=")
		if strings.EqualFold(textproto.TrimString(k), "domain") {
			return false
		}
	}
	return true
}
