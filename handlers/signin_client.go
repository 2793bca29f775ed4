package handlers

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"path"
	"strings"
	"unicode"
	"unicode/utf8"
)

// clientAddress is where a request comes from. X-Forwarded-For is read from the
// right, as far as the hops are proxies of ours; what stands left of them the
// client may have written itself.
func clientAddress(r *http.Request, trusted []netip.Prefix) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return "unknown"
	}
	addr = addr.Unmap()
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0 && within(addr, trusted); i-- {
		next, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			break
		}
		addr = next.Unmap().WithZone("")
	}
	return addr.String()
}

func within(a netip.Addr, nets []netip.Prefix) bool {
	for _, n := range nets {
		if n.Contains(a) {
			return true
		}
	}
	return false
}

// neighbourhood is what a limit counts as one address: of IPv6, a home's /64.
func neighbourhood(address string) string {
	a, err := netip.ParseAddr(address)
	if err != nil || a.Is4() {
		return address
	}
	p, err := a.Prefix(64)
	if err != nil {
		return address
	}
	return p.String()
}

// safeNext is a path of this site to go on to after sign-in: s if it surely is
// one, else the home page. Nothing that a browser could read as another site's
// address passes, whatever it is escaped as.
func safeNext(s string) string {
	const home = "/"
	if s == "" || len(s) > 2000 || s[0] != '/' || strings.HasPrefix(s, "//") || !utf8.ValidString(s) {
		return home
	}
	if strings.ContainsFunc(s, func(r rune) bool { return r == '\\' || unicode.IsControl(r) || unicode.IsSpace(r) }) {
		return home
	}
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "" || u.Host != "" || u.User != nil || u.Opaque != "" {
		return home
	}
	if strings.ContainsFunc(u.Path, func(r rune) bool { return r == '\\' || unicode.IsControl(r) }) || strings.Contains(u.Path, "//") {
		return home
	}
	clean := path.Clean(u.Path)
	if strings.HasPrefix(clean, "/sign-") || strings.HasPrefix(clean, "//") {
		return home
	}
	out := url.URL{Path: clean, RawQuery: u.RawQuery}
	return out.String()
}

// logSafe makes one short line of what a visitor sent: for the log and the
// list of sessions, which a visitor must not be able to fill or break.
func logSafe(s string, limit int) string {
	out := make([]rune, 0, min(len(s), limit))
	size := 0
	for _, r := range s {
		if !unicode.IsPrint(r) {
			r = '?'
		}
		if size += utf8.RuneLen(r); size > limit {
			break
		}
		out = append(out, r)
	}
	return string(out)
}
