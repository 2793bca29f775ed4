package main

import (
	"bytes"
	"encoding/json"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// rooms says who may import whom. A new arrow is a line here, in the commit
// that needs it, with its reason. Arrows only point to lower floors.
var rooms = map[string][]string{
	"cmd/lectern": {"*"},
	"handlers":    {"views", "static", "grading", "moving", "exchange", "exchange/tree", "spawner", "store", "course", "course/notebook", "course/notebook/render", "course/sheet"},
	"grading":     {"exchange", "exchange/tree", "store", "spawner/container", "course", "course/notebook", "course/notebook/render"},
	// A room beside grading: a whole course goes in and out through it, with
	// nbgrader's database. What checks and releases is handed in by those above.
	"moving": {"exchange", "exchange/tree", "store", "course", "course/notebook"},
	// The safe walk and the failpoints are the exchange's own inner rooms.
	"exchange":      {"store", "course", "exchange/tree", "exchange/fail"},
	"exchange/tree": {"course", "exchange/fail"},
	"exchange/fail": {},
	// What homes hold, and the file systems that bound them.
	"exchange/quota": {"exchange/tree"},
	// The private cluster is a room of its own: it knows nothing of the schema.
	"store":             {"migrations", "course"},
	"store/cluster":     {},
	"store/storetest":   {"store", "store/cluster"},
	"spawner":           {"spawner/container", "course"},
	"spawner/container": {},
	// The door between the web and the engine: an engine to the one side, and to
	// the other what makes a row's container by the spawner's own template.
	"spawner/remote": {"spawner", "spawner/container"},
	// The proxy to listed hosts knows neither courses nor rows: who may is handed in.
	"spawner/egress": {},
	// For tests only: rows in memory; what every driver must do, and a stub of
	// Jupyter to do it with.
	"spawner/rowstest":                         {"spawner", "course"},
	"spawner/container/enginetest":             {"spawner/container"},
	"spawner/container/enginetest/jupyterstub": {},
	// Files for operators; no engine is asked.
	"spawner/container/certs": {},
	// Tests alone: real swarms in namespaces of their own.
	"spawner/container/swarmtest": {},
	"views":                       {"static", "course", "course/notebook"},
	"course":                      {},
	"course/notebook":             {},
	// Rendering has heavy libraries that reading and checking do not need.
	"course/notebook/render": {"course/notebook"},
	// So has the writing of workbooks.
	"course/sheet": {"course"},
	"migrations":   {},
	"static":       {},
	// A test of what is deployed, and nothing else.
	"deploy": {},
	// Tests of the whole program; and its figures: a table of what benchmarks print.
	"e2e":   {},
	"bench": {},
	// A rival of the proxy's: the standard library's, bare.
	"bench/bare": {},
	// A class that works in Lectern from outside, as browsers do.
	"cmd/classload": {},
}

// outside says which rooms may use a library; every other room may not.
var outside = map[string][]string{
	"github.com/docker/docker":    {"spawner/container"},
	"github.com/jackc/pgx/v5":     {"store", "store/cluster", "store/storetest", "migrations", "cmd/lectern"},
	"github.com/riverqueue/river": {"store", "store/storetest", "cmd/lectern"},
	"github.com/go-chi/chi":       {"handlers"},
	"github.com/markbates/goth":   {"handlers"},
	"github.com/alexedwards/scs":  {"handlers"},
	"github.com/xuri/excelize":    {"course/sheet"},
	"github.com/a-h/templ":        {"views", "handlers"},
	"modernc.org/sqlite":          {"moving"},
}

type pkg struct {
	ImportPath string
	Imports    []string
}

func TestEveryArrowBetweenRoomsIsPlanned(t *testing.T) {
	t.Parallel()
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports", "lectern/...")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v: %s", err, stderr.String())
	}
	seen := 0
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		if err := dec.Decode(&p); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		seen++
		room := strings.TrimPrefix(p.ImportPath, "lectern/")
		allowed, known := rooms[room]
		if !known {
			t.Errorf("room %s is not in the plan", room)
			continue
		}
		for _, imp := range p.Imports {
			if to, ours := strings.CutPrefix(imp, "lectern/"); ours {
				if !slices.Contains(allowed, to) && !slices.Contains(allowed, "*") {
					t.Errorf("%s imports %s: not planned", room, to)
				}
				continue
			}
			for lib, by := range outside {
				if strings.HasPrefix(imp, lib) && !slices.Contains(by, room) {
					t.Errorf("%s imports %s, which is for %v", room, imp, by)
				}
			}
		}
	}
	if seen < 10 {
		t.Errorf("go list showed %d packages; want the whole house", seen)
	}
}
