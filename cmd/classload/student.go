package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"
)

// student is one person with one browser.
type student struct {
	*class
	login string
	messy bool
	web   *browser
	rand  *rand.Rand

	lab      string // address of the page in the workspace
	origin   string // of the workspace
	notebook string // path in the home
	kernelID string
	tab      *kernel
	content  map[string]any // of the notebook
	saves    int
	cells    int
}

// do is one step of this student.
func (s *student) do(ctx context.Context, step string, f func() error) error {
	return s.rec.do(ctx, step, f)
}

// day is everything from coming to handing in.
func (s *student) day(ctx context.Context) {
	if s.come(ctx) != nil || s.sit(ctx) != nil {
		return // noted; one who cannot begin cannot go on
	}
	defer func() { s.tab.drop() }()
	s.labour(ctx, time.Now().Add(s.work))
	_ = s.handIn(ctx)
	if s.stop {
		id, _, _ := strings.Cut(strings.TrimPrefix(s.origin, "http://"), ".")
		_ = s.do(ctx, "stop", func() error {
			_, err := s.web.post(ctx, "/courses/"+s.course+"/workspaces/"+id+"/stop", nil)
			return err
		})
	}
}

func (s *student) page(part string) string {
	return "/courses/" + s.course + "/assignments/" + s.assignment + part
}

// come signs in and looks for the assignment.
func (s *student) come(ctx context.Context) error {
	return s.inOrder(ctx, []step{
		{"sign in", func() (err error) {
			if s.password == "" {
				_, err = s.web.post(ctx, "/sign-in/demo", url.Values{"login": {s.login}})
			} else {
				_, err = s.web.post(ctx, "/sign-in", url.Values{"login": {s.login}, "password": {s.password}})
			}
			return err
		}},
		{"course page", func() error { return s.see(ctx, "/courses/"+s.course) }},
		{"assignment page", func() error { return s.see(ctx, s.page("")) }},
	})
}

func (s *student) see(ctx context.Context, at string) error {
	_, err := s.web.get(ctx, at)
	return err
}

type step struct {
	name string
	do   func() error
}

// inOrder takes steps until one fails.
func (s *student) inOrder(ctx context.Context, steps []step) error {
	for _, st := range steps {
		if err := s.do(ctx, st.name, st.do); err != nil {
			return err
		}
	}
	return nil
}

// sit presses Open assignment, waits for the workspace and opens the notebook.
func (s *student) sit(ctx context.Context) error {
	began := time.Now()
	var next string
	if err := s.do(ctx, "open", func() (err error) { next, err = s.press(ctx); return err }); err != nil {
		return err
	}
	if strings.Contains(next, "/workspaces/") {
		if err := s.do(ctx, "launch", func() (err error) { next, err = s.launched(ctx, next); return err }); err != nil {
			return err
		}
	}
	if err := s.do(ctx, "enter", func() error { return s.enter(ctx, next) }); err != nil {
		return err
	}
	if err := s.reload(ctx, "first "); err != nil {
		return err
	}
	return s.rec.since(ctx, began, "click to first cell", func() error { return s.cell(ctx) })
}

// press is the click on Open assignment; a messy student clicks twice.
func (s *student) press(ctx context.Context) (string, error) {
	if s.messy {
		twice := make(chan error, 1)
		go func() { _, err := s.web.post(ctx, s.page("/open"), nil); twice <- err }()
		next, err := s.web.post(ctx, s.page("/open"), nil)
		if second := <-twice; err == nil {
			err = second
		}
		return next, err
	}
	return s.web.post(ctx, s.page("/open"), nil)
}

// launched follows a launch page until the workspace runs, and gives where the
// page goes then.
func (s *student) launched(ctx context.Context, at string) (string, error) {
	if got, err := s.web.ask(ctx, http.MethodGet, at, "", ""); err != nil || got.status/100 == 3 {
		if err != nil {
			return "", err
		}
		return absolute(got)
	} else if got.status != http.StatusOK {
		return "", fmt.Errorf("launch page: %d %s", got.status, brief(got.text))
	}
	u, err := url.Parse(at)
	if err != nil {
		return "", err
	}
	u.Path += "/events"
	return s.followed(ctx, u.String())
}

// followed reads a launch page's events to the end. The stream may take as long
// as the queue is.
func (s *student) followed(ctx context.Context, events string) (string, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, events, nil)
	if err != nil {
		return "", err
	}
	r.Header.Set("Accept", "text/event-stream")
	res, err := s.web.client.Do(r)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	event := ""
	for lines := bufio.NewScanner(res.Body); lines.Scan(); {
		if name, ok := strings.CutPrefix(lines.Text(), "event: "); ok {
			event = name
		}
		data, ok := strings.CutPrefix(lines.Text(), "data: ")
		var e struct{ URL, Text string }
		if !ok || json.Unmarshal([]byte(data), &e) != nil {
			continue
		}
		switch event {
		case "ready":
			return s.site.String() + e.URL, nil
		case "failed":
			return "", fmt.Errorf("the start failed: %s", e.Text)
		}
	}
	return "", fmt.Errorf("launch events end with %d and no word", res.StatusCode)
}

// enter follows the way from the site into the workspace.
func (s *student) enter(ctx context.Context, next string) error {
	for range 6 {
		u, err := url.Parse(next)
		if err != nil {
			return err
		}
		if strings.HasPrefix(u.Path, "/lab/tree/") {
			s.lab, s.origin, s.notebook = next, origin(u), strings.TrimPrefix(u.Path, "/lab/tree/")
			return nil
		}
		got, err := s.web.want(ctx, 3, http.MethodGet, next, "", "")
		if err != nil {
			return err
		}
		if next, err = absolute(got); err != nil {
			return err
		}
	}
	return fmt.Errorf("the way in leads on and on")
}

func absolute(p page) (string, error) {
	u, err := p.at.Parse(p.location)
	if err != nil {
		return "", err
	}
	return u.String(), nil
}

var files = regexp.MustCompile(`(?:src|href)="(/[^"]+\.(?:js|css)[^"]*)"`)

// reload loads the page as a browser with an empty cache would, then the
// notebook, its session and its kernel's socket.
func (s *student) reload(ctx context.Context, which string) error {
	var lab page
	var session struct{ Kernel struct{ ID string } }
	return s.inOrder(ctx, []step{
		{which + "page", func() (err error) { lab, err = s.web.get(ctx, s.lab); return err }},
		{which + "files", func() error { return s.load(ctx, lab.text) }},
		{which + "notebook", func() error { return s.read(ctx) }},
		{which + "session", func() error {
			body, _ := json.Marshal(map[string]any{"path": s.notebook, "name": "", "type": "notebook", "kernel": map[string]string{"name": "python3"}})
			text, err := s.web.json(ctx, http.MethodPost, s.origin+"/api/sessions", string(body))
			if err == nil {
				err = json.Unmarshal([]byte(text), &session)
			}
			s.kernelID = session.Kernel.ID
			return err
		}},
		{which + "socket", func() error { return s.connectAgain(ctx) }},
	})
}

// load fetches the scripts and styles that a page names, six at a time.
func (s *student) load(ctx context.Context, page string) error {
	found := files.FindAllStringSubmatch(page, 64)
	slots, errs := make(chan bool, 6), make(chan error, len(found))
	for _, m := range found {
		go func() {
			slots <- true
			defer func() { <-slots }()
			_, err := s.web.get(ctx, s.origin+strings.ReplaceAll(m[1], "&amp;", "&"))
			errs <- err
		}()
	}
	var first error
	for range found {
		if err := <-errs; first == nil {
			first = err
		}
	}
	return first
}
