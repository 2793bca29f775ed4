package main

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"strings"

	"lectern/handlers"
)

// readProviders finds who may sign people in: GitHub, Google, GitLab and
// Microsoft by names of their own, and any other OpenID Connect provider that
// LECTERN_OIDC lists.
func readProviders(r *reader) []handlers.Provider {
	var out []handlers.Provider
	add := func(p handlers.Provider, env string) {
		p.ClientID, p.ClientSecret = r.text(env+"_CLIENT_ID", ""), r.text(env+"_CLIENT_SECRET", "")
		p.Label, p.Claim = r.text(env+"_LABEL", p.Label), parse(r, env+"_CLAIM", "", oneOf("", "login", "email"))
		if p.ClientID == "" && p.ClientSecret == "" && !strings.HasPrefix(env, "LECTERN_OIDC_") {
			return // not set up
		}
		if err := checkProvider(p); err != nil {
			r.errs = append(r.errs, fmt.Errorf("%s: %w", env, err))
		}
		out = append(out, p)
	}
	for _, name := range strings.FieldsFunc(r.text("LECTERN_OIDC", ""), func(c rune) bool { return c == ',' || c == ' ' }) {
		name = strings.ToLower(name)
		env := "LECTERN_OIDC_" + strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
		add(handlers.Provider{Name: name, Label: name, Issuer: r.text(env+"_ISSUER", "")}, env)
	}
	add(handlers.Provider{Name: "google", Label: "Google", Issuer: "https://accounts.google.com"}, "LECTERN_GOOGLE")
	add(handlers.Provider{Name: "microsoft", Label: "Microsoft",
		Issuer: "https://login.microsoftonline.com/" + r.text("LECTERN_MICROSOFT_TENANT", "") + "/v2.0"}, "LECTERN_MICROSOFT")
	add(handlers.Provider{Name: "github", Label: "GitHub", Issuer: r.text("LECTERN_GITHUB_URL", "https://github.com"), GitHub: true}, "LECTERN_GITHUB")
	add(handlers.Provider{Name: "gitlab", Label: "GitLab", Issuer: r.text("LECTERN_GITLAB_URL", "https://gitlab.com")}, "LECTERN_GITLAB")
	seen := map[string]bool{}
	for _, p := range out {
		if seen[p.Name] {
			r.errs = append(r.errs, fmt.Errorf("LECTERN_OIDC: there are two providers named %s", p.Name))
		}
		seen[p.Name] = true
	}
	return out
}

var (
	providerName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,30}$`)
	tenantID     = regexp.MustCompile(`^https://login\.microsoftonline\.com/[0-9a-fA-F-]{36}/v2\.0$`)
)

// checkProvider refuses what would not work, or would let strangers in.
func checkProvider(p handlers.Provider) error {
	u, err := url.Parse(p.Issuer)
	local := err == nil && (u.Hostname() == "localhost" || net.ParseIP(u.Hostname()).IsLoopback())
	switch {
	case !providerName.MatchString(p.Name):
		return fmt.Errorf("%q is not a name of lower-case letters, digits and hyphens", p.Name)
	case p.ClientID == "" || p.ClientSecret == "":
		return errors.New("the client id and the client secret are both needed")
	case err != nil || u.Host == "" || u.RawQuery != "" || (u.Scheme != "https" && !local):
		return fmt.Errorf("the issuer %q is not of the form https://id.example.edu", p.Issuer)
	case p.Name == "microsoft" && !tenantID.MatchString(p.Issuer):
		return errors.New("the tenant must be your directory's id, 36 characters: with “common” anybody could sign in")
	}
	switch {
	case p.Claim == "login" && (u.Host == "github.com" || u.Host == "gitlab.com" || u.Host == "accounts.google.com"):
		return fmt.Errorf("anybody can take any name at %s, so it cannot prove who somebody on a roster is", u.Host)
	case p.Claim == "email" && (p.GitHub || p.Name == "microsoft"):
		return errors.New("this provider does not say whether it has verified an e-mail address")
	}
	return nil
}

// parseProxies reads addresses and networks whose X-Forwarded-For is believed.
func parseProxies(s string) ([]netip.Prefix, error) {
	var out []netip.Prefix
	for _, f := range strings.FieldsFunc(s, func(c rune) bool { return c == ',' || c == ' ' }) {
		if a, err := netip.ParseAddr(f); err == nil {
			out = append(out, netip.PrefixFrom(a.Unmap(), a.Unmap().BitLen()))
			continue
		}
		p, err := netip.ParsePrefix(f)
		if err != nil {
			return nil, fmt.Errorf("%q is not an address or a network such as 10.0.0.0/8", f)
		}
		out = append(out, p.Masked())
	}
	return out, nil
}
