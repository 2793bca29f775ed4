package e2e_test

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"lectern/store"
)

// hostile is a name that must never be taken for markup.
const hostile = `<script>alert(1)</script>"'><img src=x onerror=alert(2)>`

// TestEveryLinkLeadsSomewhere follows every link of the site as each kind of
// visitor, with hostile names everywhere, and looks at every page on the way.
func TestEveryLinkLeadsSomewhere(t *testing.T) {
	t.Parallel()
	p := launch(t)
	st, err := store.Open(t.Context(), "postgres:///lectern?sslmode=disable&user=lectern&host="+filepath.Join(p.data, "postgres", "socket"))
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	for _, sql := range []string{
		`update users set name = $1, email = $1`, `update courses set title = $1, term = $1`, `update assignments set title = $1`,
		`update members set section = $1 where role = 'student'`,
	} {
		if _, err := st.Pool().Exec(t.Context(), sql, hostile); err != nil {
			t.Fatal(err)
		}
	}
	for _, login := range []string{"instructor", "grader", "student1"} {
		t.Run(login, func(t *testing.T) {
			seen := crawl(t, p.url(), login)
			if least := map[string]int{"instructor": 20, "grader": 8, "student1": 3}[login]; len(seen) < least {
				t.Errorf("only %d pages were found: %v", len(seen), seen)
			}
		})
	}
}

// crawl visits every page that can be reached by links, and returns their addresses.
func crawl(t *testing.T, site, login string) []string {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Jar: jar, Timeout: time.Minute}
	resp, err := client.PostForm(site+"/sign-in/demo", url.Values{"login": {login}})
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("sign in as %s: %v, %v", login, resp, err)
	}
	resp.Body.Close()
	queue, seen := []string{"/"}, map[string]bool{"/": true}
	var visited []string
	for len(queue) > 0 && len(visited) < 400 {
		path := queue[0]
		queue = queue[1:]
		visited = append(visited, path)
		for _, link := range visit(t, client, site, path) {
			if !seen[link] {
				seen[link] = true
				queue = append(queue, link)
			}
		}
	}
	return visited
}

// visit looks at one page and returns the links of the site on it.
func visit(t *testing.T, client *http.Client, site, path string) (links []string) {
	t.Helper()
	resp, err := client.Get(site + path)
	if err != nil {
		t.Errorf("%s: %v", path, err)
		return nil
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Errorf("%s: status %d, %v\n%.400s", path, resp.StatusCode, err, body)
		return nil
	}
	if !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/html") || resp.Request.URL.Host != strings.TrimPrefix(site, "http://") {
		return nil
	}
	if strings.Contains(string(body), "<script>alert") || strings.Contains(string(body), "<img src=x") {
		t.Errorf("%s: a name became markup", path)
	}
	doc, err := html.Parse(strings.NewReader(string(body)))
	if err != nil {
		t.Errorf("%s: %v", path, err)
		return nil
	}
	ids, headings := map[string]bool{}, 0
	for n := range doc.Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		a := map[string]string{}
		for _, attr := range n.Attr {
			a[attr.Key] = attr.Val
			if strings.HasPrefix(attr.Key, "on") || attr.Key == "style" {
				t.Errorf("%s: <%s %s> breaks the content policy", path, n.Data, attr.Key)
			}
		}
		if id := a["id"]; id != "" {
			if ids[id] {
				t.Errorf("%s: two elements have the id %s", path, id)
			}
			ids[id] = true
		}
		switch {
		case n.Data == "h1":
			headings++
		case n.Data == "a" && strings.HasPrefix(a["href"], "/") && !strings.Contains(a["href"], ".zip"):
			link, _, _ := strings.Cut(a["href"], "#")
			links = append(links, link)
		case n.Data == "form" && strings.EqualFold(a["method"], "post") && a["action"] == "":
			t.Errorf("%s: a form posts to nowhere", path)
		}
	}
	if headings != 1 {
		t.Errorf("%s: %d main headings, want one", path, headings)
	}
	slices.Sort(links)
	return slices.Compact(links)
}
