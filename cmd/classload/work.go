package main

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"

	"github.com/google/uuid"
)

// labour is the time at the desk: a cell, and now and then a save and a look
// around, as JupyterLab does by itself.
func (s *student) labour(ctx context.Context, until time.Time) {
	saved, looked := time.Now(), time.Now()
	mess := newMess(s)
	for {
		// Nobody thinks for the same time twice.
		wait := s.think/2 + time.Duration(s.rand.Int64N(int64(s.think)))
		if time.Now().Add(wait).After(until) {
			_ = pause(ctx, time.Until(until))
			return
		}
		if pause(ctx, wait) != nil {
			return
		}
		if time.Since(saved) >= s.save {
			saved = time.Now()
			_ = s.do(ctx, "save", func() error { return s.write(ctx) })
		}
		if time.Since(looked) >= s.poll {
			looked = time.Now()
			s.look(ctx)
		}
		if s.tab.lost() {
			_ = s.do(ctx, "connect again", func() error { return s.connectAgain(ctx) })
		}
		if s.messy && mess.now(ctx) {
			continue
		}
		_ = s.do(ctx, "cell", func() error { return s.cell(ctx) })
	}
}

// connectAgain replaces a socket that the other end closed, as the page does.
func (s *student) connectAgain(ctx context.Context) error {
	tab, err := s.web.connect(ctx, s.origin, s.kernelID, uuid.NewString())
	if err != nil {
		return err
	}
	s.tab.drop()
	s.tab = tab
	return nil
}

// look is what an open tab asks every few seconds.
func (s *student) look(ctx context.Context) {
	for _, api := range []string{"kernels", "sessions", "contents/" + path.Dir(s.notebook)} {
		_ = s.do(ctx, "look at "+strings.SplitN(api, "/", 2)[0], func() error {
			_, err := s.web.json(ctx, http.MethodGet, s.origin+"/api/"+api, "")
			return err
		})
	}
}

// cell runs one cell and reads what it printed.
func (s *student) cell(ctx context.Context) error {
	s.cells++
	word := fmt.Sprintf("%s, cell %d", s.login, s.cells)
	printed, _, err := s.tab.execute(ctx, fmt.Sprintf("print(%q)", word))
	if err == nil && strings.TrimSpace(printed) != word {
		err = fmt.Errorf("a cell printed %d other characters", len(printed))
	}
	return err
}

func (s *student) contents() string {
	return s.origin + "/api/contents/" + (&url.URL{Path: s.notebook}).EscapedPath()
}

// read loads the notebook, as the page does when it opens.
func (s *student) read(ctx context.Context) error {
	text, err := s.web.json(ctx, http.MethodGet, s.contents()+"?content=1", "")
	if err != nil {
		return err
	}
	var m struct{ Content map[string]any }
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		return err
	}
	if m.Content["cells"] == nil {
		return fmt.Errorf("%s is not a notebook", path.Base(s.notebook))
	}
	s.content = m.Content
	return nil
}

// marked is the notebook's metadata by which a save is known again.
const marked = "classload_saves"

// write saves the notebook, with a new mark.
func (s *student) write(ctx context.Context) error {
	meta, _ := s.content["metadata"].(map[string]any)
	if meta == nil {
		meta = map[string]any{}
		s.content["metadata"] = meta
	}
	meta[marked] = s.saves + 1
	body, err := json.Marshal(map[string]any{"type": "notebook", "format": "json", "content": s.content})
	if err == nil {
		_, err = s.web.json(ctx, http.MethodPut, s.contents(), string(body))
	}
	if err == nil {
		s.saves++
	}
	return err
}

// handIn saves, submits and looks at what the receipt gives back. A messy
// student presses Submit twice and must be shown one receipt.
func (s *student) handIn(ctx context.Context) error {
	key, at := "", ""
	return s.inOrder(ctx, []step{
		{"last save", func() error { return s.write(ctx) }},
		{"submit page", func() error {
			got, err := s.web.get(ctx, s.page("/submit"))
			if key = field(got.text, "key"); err == nil && uuid.Validate(key) != nil {
				err = fmt.Errorf("the submit page has no form: %s", brief(got.text))
			}
			return err
		}},
		{"submit", func() (err error) { at, err = s.submit(ctx, url.Values{"key": {key}}); return err }},
		{"receipt", func() error { return s.see(ctx, at) }},
		{"what was handed in", func() error {
			if err := s.compare(ctx, at); err != nil {
				return err
			}
			u, err := url.Parse(at)
			s.mu.Lock()
			defer s.mu.Unlock()
			s.receipts[s.login] = receipt{s.login, u.Path, s.saves}
			return err
		}},
	})
}

func (s *student) submit(ctx context.Context, form url.Values) (string, error) {
	presses := 1
	if s.messy {
		presses = 2
	}
	type result struct {
		at  string
		err error
	}
	results := make(chan result, presses)
	for range presses {
		go func() {
			at, err := s.web.post(ctx, s.page("/submit"), form)
			results <- result{at, err}
		}()
	}
	first := <-results
	for range presses - 1 {
		second := <-results
		if first.err == nil && second.err != nil {
			first.err = second.err
		}
		if first.err == nil && second.at != first.at {
			first.err = fmt.Errorf("two presses of one button lead to two places")
		}
	}
	if first.err == nil && !strings.Contains(first.at, "/receipts/") {
		first.err = fmt.Errorf("submitting leads to no receipt")
	}
	return first.at, first.err
}

// compare fails unless the files handed in hold the last save.
func (s *student) compare(ctx context.Context, receipt string) error {
	got, err := s.web.get(ctx, receipt+"/files.zip")
	if err != nil {
		return err
	}
	z, err := zip.NewReader(strings.NewReader(got.text), int64(len(got.text)))
	if err != nil {
		return err
	}
	f, err := z.Open(s.notebook)
	if err != nil {
		return err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, 64<<20))
	var nb struct{ Metadata map[string]any }
	if err == nil {
		err = json.NewDecoder(bytes.NewReader(text)).Decode(&nb)
	}
	if err == nil && fmt.Sprint(nb.Metadata[marked]) != fmt.Sprint(s.saves) {
		err = fmt.Errorf("the last save is not in what was handed in")
	}
	return err
}
