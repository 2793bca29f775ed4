package handlers

import (
	"fmt"
	"net"
	"net/url"
	"strings"
)

// Origins is a family of hosts, one label each below a common name, such as
// https://*.work.example.edu. Every workspace, and every untrusted page, has a
// host of its own, so that a browser keeps them apart from the site and from
// each other.
type Origins struct {
	scheme string
	suffix string // with its leading dot, and the port if there is one
}

// ParseOrigins reads a pattern whose first host label is a star.
func ParseOrigins(pattern string) (Origins, error) {
	u, err := url.Parse(pattern)
	if err != nil {
		return Origins{}, err
	}
	rest, ok := strings.CutPrefix(u.Host, "*.")
	if !ok || rest == "" || (u.Scheme != "http" && u.Scheme != "https") || (u.Path != "" && u.Path != "/") {
		return Origins{}, fmt.Errorf("%q is not of the form https://*.work.example.edu", pattern)
	}
	return Origins{scheme: u.Scheme, suffix: "." + strings.ToLower(rest)}, nil
}

// Origin is the scheme and host of one label.
func (o Origins) Origin(label string) string { return o.scheme + "://" + label + o.suffix }

// Pattern is the family as a Content-Security-Policy source.
func (o Origins) Pattern() string { return o.scheme + "://*" + o.suffix }

// Label is the label that a request's Host names, if it is of this family.
func (o Origins) Label(host string) (string, bool) {
	label, ok := strings.CutSuffix(strings.ToLower(host), o.suffix)
	if !ok || label == "" || strings.ContainsAny(label, ".:") {
		return "", false
	}
	return label, true
}

// sameHost compares a request's Host with the site's, forgiving a default port.
func sameHost(host string, site *url.URL) bool {
	norm := func(h, scheme string) string {
		name, port, err := net.SplitHostPort(h)
		if err == nil && ((scheme == "http" && port == "80") || (scheme == "https" && port == "443")) {
			h = name
		}
		return strings.ToLower(h)
	}
	return norm(host, site.Scheme) == norm(site.Host, site.Scheme)
}
