package main

import (
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"
)

// The part of the stub that a person with JupyterLab sees: its page, the page's
// files, sessions of the one kernel and the contents of the home.

func (s *stub) lab(mux *http.ServeMux) {
	mux.HandleFunc("GET /lab/", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprint(w, `<!doctype html><title>JupyterLab</title>`)
		for n := range labFiles {
			fmt.Fprintf(w, `<script defer src="/static/lab/%d.js?v=1"></script>`, n)
		}
	})
	script := []byte("//" + strings.Repeat(" a script of the lab", 1000))
	mux.HandleFunc("GET /static/lab/", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/javascript")
		_, _ = w.Write(script)
	})
	kernel := func(w http.ResponseWriter, status int) {
		s.mu.Lock()
		defer s.mu.Unlock()
		answerWith(w, status, s.kernel())
	}
	session := func() map[string]any {
		s.mu.Lock()
		defer s.mu.Unlock()
		return map[string]any{"id": "s1", "path": "notebook.ipynb", "name": "", "type": "notebook", "kernel": s.kernel()}
	}
	mux.HandleFunc("POST /api/kernels", func(w http.ResponseWriter, _ *http.Request) { kernel(w, http.StatusCreated) })
	mux.HandleFunc("GET /api/kernels/k1", func(w http.ResponseWriter, _ *http.Request) { kernel(w, http.StatusOK) })
	mux.HandleFunc("POST /api/kernels/k1/restart", func(w http.ResponseWriter, _ *http.Request) { kernel(w, http.StatusOK) })
	mux.HandleFunc("GET /api/kernels/k1/channels", s.channels)
	mux.HandleFunc("GET /api/sessions", func(w http.ResponseWriter, _ *http.Request) { answer(w, []any{session()}) })
	mux.HandleFunc("POST /api/sessions", func(w http.ResponseWriter, _ *http.Request) { answerWith(w, http.StatusCreated, session()) })
	mux.HandleFunc("GET /api/contents/{path...}", s.readContents)
	mux.HandleFunc("PUT /api/contents/{path...}", s.saveContents)
}

const labFiles = 12

// kernel describes the one there is; the caller holds mu.
func (s *stub) kernel() map[string]any {
	return map[string]any{"id": "k1", "name": "python3", "execution_state": s.state, "last_activity": s.last, "connections": 0}
}

// model is a file or a folder as the contents API shows it.
type model struct {
	Name         string    `json:"name"`
	Path         string    `json:"path"`
	Type         string    `json:"type"`
	Format       *string   `json:"format"`
	Content      any       `json:"content"`
	LastModified time.Time `json:"last_modified"`
	Size         int64     `json:"size"`
	Writable     bool      `json:"writable"`
}

func modelOf(at string, info fs.FileInfo) model {
	m := model{Name: info.Name(), Path: at, Type: "file", LastModified: info.ModTime().UTC(), Size: info.Size(), Writable: true}
	switch {
	case info.IsDir():
		m.Type = "directory"
	case path.Ext(at) == ".ipynb":
		m.Type = "notebook"
	}
	return m
}

// local is where a path of the contents API lies.
func (s *stub) local(r *http.Request) (at, file string) {
	at = strings.Trim(path.Clean("/"+r.PathValue("path")), "/")
	return at, filepath.Join(option("root_dir"), filepath.FromSlash(at))
}

func (s *stub) readContents(w http.ResponseWriter, r *http.Request) {
	at, file := s.local(r)
	info, err := os.Stat(file)
	if err != nil {
		http.Error(w, err.Error(), http.StatusNotFound)
		return
	}
	m, format := modelOf(at, info), "text"
	switch {
	case r.FormValue("content") == "0":
	case m.Type == "directory":
		entries, _ := os.ReadDir(file)
		list := []model{}
		for _, e := range entries {
			if info, err := e.Info(); err == nil {
				list = append(list, modelOf(path.Join(at, e.Name()), info))
			}
		}
		format, m.Content = "json", list
	default:
		text, err := os.ReadFile(file)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		m.Content = string(text)
		if m.Type == "notebook" {
			format, m.Content = "json", json.RawMessage(text)
		}
	}
	m.Format = &format
	answer(w, m)
}

// saveContents writes as Jupyter does: aside, then in place.
func (s *stub) saveContents(w http.ResponseWriter, r *http.Request) {
	at, file := s.local(r)
	body, err := io.ReadAll(r.Body)
	var in struct{ Content json.RawMessage }
	if err == nil {
		err = json.Unmarshal(body, &in)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	text := []byte(in.Content)
	var plain string
	if json.Unmarshal(in.Content, &plain) == nil {
		text = []byte(plain)
	}
	aside := filepath.Join(filepath.Dir(file), ".~"+filepath.Base(file))
	if err = os.WriteFile(aside, text, 0o644); err == nil {
		err = os.Rename(aside, file)
	}
	info, statErr := os.Stat(file)
	if err != nil || statErr != nil {
		http.Error(w, fmt.Sprint(err, statErr), http.StatusInternalServerError)
		return
	}
	answer(w, modelOf(at, info))
}

func answerWith(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}
