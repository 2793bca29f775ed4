package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"lectern/course"
	"lectern/exchange"
	"lectern/grading"
	"lectern/handlers"
	"lectern/moving"
)

type courseCmd struct {
	Export exportCmd `cmd:"" help:"Write a whole course as a zip in nbgrader's layout, with its gradebook.db."`
	Import importCmd `cmd:"" help:"Bring an nbgrader course in: a zip, or the course's directory."`
}

type exportCmd struct {
	Course string `arg:"" help:"The course's short name."`
	Output string `short:"o" help:"The file to write, which must not be there yet; the course's name with .zip by default, - for standard output."`
}

// Run writes the zip under another name and renames it, so that what bears the
// name is whole.
func (c exportCmd) Run(e *env) error {
	return withMover(e, func(h *house, m *moving.Mover) error {
		found, err := h.store.Course(e.ctx, c.Course)
		if err != nil {
			return err
		}
		if c.Output == "-" {
			return m.Export(e.ctx, e.stdout, found)
		}
		if c.Output == "" {
			c.Output = found.Slug + ".zip"
		}
		if _, err := os.Lstat(c.Output); err == nil {
			return fmt.Errorf("%s is there already", c.Output)
		}
		f, err := os.CreateTemp(filepath.Dir(c.Output), ".lectern-export-")
		if err != nil {
			return err
		}
		defer os.Remove(f.Name())
		err = m.Export(e.ctx, f, found)
		if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
			return err
		}
		if err := os.Link(f.Name(), c.Output); err != nil { // unlike a rename it replaces nothing
			return err
		}
		_, err = fmt.Fprintf(e.stdout, "%s is in %s\n", found.Slug, c.Output)
		return err
	})
}

type importCmd struct {
	Course string `arg:"" help:"The course's short name; a course that is not there is made."`
	Path   string `arg:"" type:"existingpath" help:"A zip, or the directory with source/, submitted/ and gradebook.db."`
	By     string `required:"" help:"Login of who brings it in: the instructor of a new course, and on record for every mark."`
	Apply  bool   `help:"Do it. Without this, what was found is shown and nothing changes."`
	Title  string `help:"Title of a new course."`
	Zone   string `default:"UTC" help:"Time zone of a new course, such as Europe/Berlin."`
}

// Run shows what was found and, if told to, takes it in.
func (c importCmd) Run(e *env) error {
	return withMover(e, func(h *house, m *moving.Mover) error {
		by, err := h.store.UserByLogin(e.ctx, c.By)
		if err != nil {
			return err
		}
		to, err := h.store.Course(e.ctx, c.Course)
		fresh := course.IsKind(err, course.NotFound)
		if err != nil && !fresh {
			return err
		}
		if fresh {
			to = course.Course{Slug: c.Course, Title: c.Title, Zone: c.Zone, Image: h.cfg.Image}
			if to.Title == "" {
				to.Title = c.Course
			}
			if _, err := time.LoadLocation(c.Zone); err != nil || !course.ValidSlug(c.Course) {
				return fmt.Errorf("a course cannot be called %q, or there is no time zone %q", c.Course, c.Zone)
			}
		}
		root, cleanUp, err := c.open(e, h.exchange)
		if err != nil {
			return err
		}
		defer cleanUp()
		plan, err := m.Look(e.ctx, to, root)
		if err != nil {
			return err
		}
		if err := show(e.stdout, to, fresh, plan); err != nil {
			return err
		}
		if !c.Apply {
			_, err := fmt.Fprintln(e.stdout, "Nothing was changed. Add --apply to do it.")
			return err
		}
		if fresh {
			if err := h.store.AddCourse(e.ctx, &to, by.ID); err != nil {
				return err
			}
		}
		done, err := plan.Apply(e.ctx, to, by.ID)
		for _, n := range done.Notes {
			fmt.Fprintln(e.stdout, "-", n)
		}
		if err != nil {
			return fmt.Errorf("%w; what was done stays, and the same command goes on with the rest", err)
		}
		_, err = fmt.Fprintf(e.stdout, "Taken in: %d assignments, %d students, %d submissions, %d marks.\n", done.Assignments, done.Students, done.Submissions, done.Marks)
		return err
	})
}

// open is the directory to read; a zip is unpacked first.
func (c importCmd) open(e *env, x *exchange.Exchange) (root string, cleanUp func(), err error) {
	st, err := os.Stat(c.Path)
	if err != nil {
		return "", nil, err
	}
	if st.IsDir() {
		root, err := filepath.EvalSymlinks(c.Path)
		return root, func() {}, err
	}
	f, err := os.Open(c.Path)
	if err != nil {
		return "", nil, err
	}
	defer f.Close()
	u, err := x.Unpack(e.ctx, c.Course, filepath.Base(c.Path), f, true)
	if err != nil {
		return "", nil, err
	}
	for _, left := range u.Left {
		fmt.Fprintln(e.stdout, "-", left)
	}
	return u.Path(), u.Discard, nil
}

func show(w io.Writer, c course.Course, fresh bool, p *moving.Plan) error {
	var b strings.Builder
	fmt.Fprintf(&b, "For the course %s", c.Slug)
	if fresh {
		b.WriteString(", which will be made")
	}
	b.WriteString(":\n")
	for _, a := range p.Assignments {
		due, what := "no due time", "here already"
		if a.DueAt != nil {
			due = "due " + a.DueAt.In(c.Location()).Format("2006-01-02 15:04 MST")
		}
		if a.New {
			what = "new"
		}
		fmt.Fprintf(&b, "  %s (%s): %s, %d source files, %d submissions, %s\n", a.Slug, a.Name, due, a.Files, a.Submissions, what)
	}
	for _, of := range []struct {
		what string
		n    moving.Count
	}{{"students", p.Students}, {"submissions", p.Submissions}, {"marks", p.Marks}} {
		fmt.Fprintf(&b, "  %d %s, %d of them new\n", of.n.All, of.what, of.n.New)
	}
	for _, n := range p.Notes {
		fmt.Fprintln(&b, "-", n)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// withMover opens the database and the data root, beside a site that may be serving.
func withMover(e *env, do func(*house, *moving.Mover) error) error {
	cfg, err := readConfig(e.getenv)
	if err != nil {
		return err
	}
	h := &house{cfg: cfg, log: e.logger()}
	defer func() {
		if h.cluster != nil && h.cluster.PID() == 0 {
			h.cluster = nil // the site's own: it is serving, and goes on
		}
		h.close()
	}()
	if err := h.database(e.ctx); err != nil {
		return err
	}
	if h.exchange, err = exchange.New(course.Layout{Root: cfg.Data}, exchange.Options{UID: workspaceUID, GID: workspaceGID, NewHome: h.newHome()}); err != nil {
		return err
	}
	return do(h, handlers.NewMover(&grading.Preparer{Exchange: h.exchange, Store: h.store}, time.Now))
}
