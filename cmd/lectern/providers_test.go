package main

import (
	"strings"
	"testing"
)

func TestProvidersComeFromTheEnvironment(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, want string // names of the providers, or part of the error
		bad        bool
		env        map[string]string
	}{
		{name: "nothing set up", env: nil},
		{name: "two of their own", want: "campus,other-one", env: map[string]string{"LECTERN_OIDC": "campus, other-one",
			"LECTERN_OIDC_CAMPUS_ISSUER": "https://id.example.edu", "LECTERN_OIDC_CAMPUS_CLIENT_ID": "a", "LECTERN_OIDC_CAMPUS_CLIENT_SECRET": "b", "LECTERN_OIDC_CAMPUS_CLAIM": "login",
			"LECTERN_OIDC_OTHER_ONE_ISSUER": "http://localhost:99", "LECTERN_OIDC_OTHER_ONE_CLIENT_ID": "a", "LECTERN_OIDC_OTHER_ONE_CLIENT_SECRET": "b"}},
		{name: "the well-known ones", want: "google,microsoft,github,gitlab", env: map[string]string{
			"LECTERN_GOOGLE_CLIENT_ID": "a", "LECTERN_GOOGLE_CLIENT_SECRET": "b", "LECTERN_GITHUB_CLIENT_ID": "a", "LECTERN_GITHUB_CLIENT_SECRET": "b",
			"LECTERN_GITLAB_CLIENT_ID": "a", "LECTERN_GITLAB_CLIENT_SECRET": "b", "LECTERN_MICROSOFT_CLIENT_ID": "a", "LECTERN_MICROSOFT_CLIENT_SECRET": "b",
			"LECTERN_MICROSOFT_TENANT": "00000000-1111-2222-3333-444444444444"}},
		{name: "a secret is missing", bad: true, want: "LECTERN_GITHUB", env: map[string]string{"LECTERN_GITHUB_CLIENT_ID": "a"}},
		{name: "plain http", bad: true, want: "LECTERN_OIDC_CAMPUS", env: map[string]string{"LECTERN_OIDC": "campus",
			"LECTERN_OIDC_CAMPUS_ISSUER": "http://id.example.edu", "LECTERN_OIDC_CAMPUS_CLIENT_ID": "a", "LECTERN_OIDC_CAMPUS_CLIENT_SECRET": "b"}},
		{name: "names that anybody can take", bad: true, want: "anybody can take any name", env: map[string]string{
			"LECTERN_GITHUB_CLIENT_ID": "a", "LECTERN_GITHUB_CLIENT_SECRET": "b", "LECTERN_GITHUB_CLAIM": "login"}},
		{name: "mail that nobody has verified", bad: true, want: "LECTERN_MICROSOFT", env: map[string]string{"LECTERN_MICROSOFT_TENANT": "00000000-1111-2222-3333-444444444444",
			"LECTERN_MICROSOFT_CLIENT_ID": "a", "LECTERN_MICROSOFT_CLIENT_SECRET": "b", "LECTERN_MICROSOFT_CLAIM": "email"}},
		{name: "everybody's tenant", bad: true, want: "tenant", env: map[string]string{"LECTERN_MICROSOFT_TENANT": "common",
			"LECTERN_MICROSOFT_CLIENT_ID": "a", "LECTERN_MICROSOFT_CLIENT_SECRET": "b"}},
		{name: "the same name twice", bad: true, want: "two providers", env: map[string]string{"LECTERN_OIDC": "google",
			"LECTERN_OIDC_GOOGLE_ISSUER": "https://id.example.edu", "LECTERN_OIDC_GOOGLE_CLIENT_ID": "a", "LECTERN_OIDC_GOOGLE_CLIENT_SECRET": "b",
			"LECTERN_GOOGLE_CLIENT_ID": "a", "LECTERN_GOOGLE_CLIENT_SECRET": "b"}},
		{name: "a proxy that is none", bad: true, want: "LECTERN_TRUSTED_PROXY", env: map[string]string{"LECTERN_TRUSTED_PROXY": "everybody"}},
	} {
		cfg, err := readConfig(func(k string) string { return c.env[k] })
		if c.bad {
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: %v, want an error with %q", c.name, err, c.want)
			}
			continue
		}
		var names []string
		for _, p := range cfg.Providers {
			names = append(names, p.Name)
		}
		if got := strings.Join(names, ","); err != nil || got != c.want {
			t.Errorf("%s: %q, %v; want %q", c.name, got, err, c.want)
		}
	}
}
