package grading

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"path"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"lectern/course/notebook"
)

// AutotestFile is the name of the templates, beside the notebooks or at the
// course's root.
const AutotestFile = "autotests.yml"

// autotests are the templates for one kernel.
type autotests struct {
	Setup     string                    `yaml:"setup"`
	Hash      string                    `yaml:"hash"`
	Dispatch  string                    `yaml:"dispatch"`
	Normalize string                    `yaml:"normalize"`
	Check     string                    `yaml:"check"`
	Success   string                    `yaml:"success"`
	Templates map[string][]testTemplate `yaml:"templates"`
}

type testTemplate struct {
	Test string `yaml:"test"`
	Fail string `yaml:"fail"`
}

// parseAutotests reads the templates for a kernel.
func parseAutotests(text []byte, kernel string) (autotests, error) {
	var all map[string]autotests
	if err := yaml.Unmarshal(text, &all); err != nil {
		return autotests{}, fmt.Errorf("%s is not valid: %w", AutotestFile, err)
	}
	t, ok := all[kernel]
	if !ok {
		return t, fmt.Errorf("%s has no templates for the kernel %s, only for %s", AutotestFile, kernel, strings.Join(slices.Sorted(maps.Keys(all)), ", "))
	}
	if len(t.Templates["default"]) == 0 {
		return t, fmt.Errorf("%s has no default template for the kernel %s", AutotestFile, kernel)
	}
	return t, nil
}

// CheckTemplates says what is wrong with the text of an autotests.yml.
func CheckTemplates(text []byte) error {
	var all map[string]autotests
	if err := yaml.Unmarshal(text, &all); err != nil {
		return fmt.Errorf("%s is not valid: %w", AutotestFile, err)
	}
	if len(all) == 0 {
		return fmt.Errorf("%s has templates for no kernel", AutotestFile)
	}
	for _, kernel := range slices.Sorted(maps.Keys(all)) {
		if _, err := parseAutotests(text, kernel); err != nil {
			return err
		}
	}
	return nil
}

// Instantiate is a hook for notebook.Options: it turns AUTOTEST lines into tests,
// with the values that the instructor's own solution gives in a sealed container.
// An error that is no fault of the notebook's is told apart by Ours. files lie beside the notebook; templates is the text of autotests.yml.
func (r *Runner) Instantiate(ctx context.Context, image, folder string, files []File, templates []byte) func(*notebook.Notebook) error {
	return func(nb *notebook.Notebook) error {
		kernel, _ := nb.Kernelspec()["name"].(string)
		if kernel == "" {
			kernel = "python3"
		}
		t, err := parseAutotests(templates, kernel)
		if err != nil {
			return err
		}
		info, err := r.engine.Image(ctx, image)
		if err != nil {
			return ours{fmt.Errorf("grading: %w", err)}
		}
		j := Job{Image: image, Folder: folder, Limits: Limits{}.or(DefaultLimits)}
		for _, f := range files {
			if !isNotebook(f.Path) && !notReleased(f.Path) {
				j.Files = append(j.Files, f)
			}
		}
		box, err := r.furnished(ctx, info.ID, j)
		if err != nil {
			return ours{fmt.Errorf("grading: start a sealed container: %w", err)}
		}
		defer r.pool.discard(box)
		if err := box.open(ctx, Rebuilt{Path: "notebook.ipynb", Notebook: nb}, j); err != nil {
			return ours{fmt.Errorf("grading: %w", err)}
		}
		i := &instantiating{templates: t, comment: "#", sanitize: sanitizers[nb.Language()], evaluate: func(code string) (string, error) { return box.evaluate(ctx, code, j.Limits) }}
		if i.sanitize == nil {
			i.sanitize = sanitizers["python"]
		}
		for at := range nb.Cells {
			c := &nb.Cells[at]
			if c.Type != notebook.Code {
				continue
			}
			m, _ := c.Meta()
			source, err := i.cell(c.Source, at, m.Grade)
			if err != nil {
				return fmt.Errorf("cell %d: %w", at+1, err)
			}
			c.Source = source
		}
		return nil
	}
}

// ours is a failure of Lectern's or its engine's, which says nothing about the
// notebook that was to be run.
type ours struct{ error }

func (o ours) Unwrap() error { return o.error }

// Ours reports whether it is no fault of a notebook's that something could not be run.
func Ours(err error) bool {
	var o ours
	return errors.As(err, &o)
}

// evaluate runs code and returns what its last expression shows; nothing if it
// shows nothing.
func (s *sandbox) evaluate(ctx context.Context, code string, limits Limits) (string, error) {
	c := notebook.Cell{Type: notebook.Code, Source: code}
	if strings.TrimSpace(code) == "" {
		return "", nil
	}
	out := newShown(&notebook.Notebook{Cells: []notebook.Cell{c}})
	out.begin(0)
	a, err := s.cell(ctx, &c, limits.Cell, out.add)
	if err != nil {
		return "", ours{err}
	}
	value := ""
	for _, o := range out.nb.Cells[0].Outputs {
		switch {
		case o.Type == notebook.ErrorOutput:
			return "", fmt.Errorf("the solution fails with %s: %s, in: %s", o.Ename, o.Evalue, code)
		case o.Type == notebook.ExecuteResult || o.Type == notebook.DisplayData:
			if text, ok := o.Data.Text("text/plain"); ok {
				value = text
			}
		}
	}
	if a.Status != "ok" {
		return "", fmt.Errorf("the solution does not run to its end: %s", code)
	}
	return value, nil
}

// sanitizers turn what a kernel shows into the value that is compared.
var sanitizers = map[string]func(string) string{
	"python": func(s string) string { return strings.Trim(s, `'"`) },
	"R":      func(s string) string { return strings.Trim(strings.ReplaceAll(s, "[1] ", ""), `'"`) },
}

type instantiating struct {
	templates autotests
	comment   string
	sanitize  func(string) string
	evaluate  func(code string) (string, error)
}

// cell replaces the directives of one cell and runs the rest of it, in order.
func (i *instantiating) cell(source string, at int, graded bool) (string, error) {
	var out, run []string
	salt, found := saltOf(source, at), false
	for line := range strings.SplitSeq(source, "\n") {
		rest, directive := i.directive(line)
		if !directive {
			out, run = append(out, line), append(run, line)
			continue
		}
		if !graded {
			return "", errors.New("an AUTOTEST line stands outside of a test cell")
		}
		if _, err := i.evaluate(strings.Join(run, "\n")); err != nil {
			return "", err
		}
		run = nil
		if !found && i.templates.Setup != "" {
			out = append(out, i.templates.Setup)
			if _, err := i.evaluate(i.templates.Setup); err != nil {
				return "", err
			}
		}
		found = true
		hashed := strings.Contains(line[:strings.Index(line, "AUTOTEST")], "HASHED")
		for _, snippet := range rest {
			key := ""
			if hashed {
				salt++
				key = fmt.Sprintf("%x", salt)
			}
			tests, err := i.tests(snippet, key)
			if err != nil {
				return "", err
			}
			out = append(out, tests...)
		}
		out = append(out, "")
	}
	if _, err := i.evaluate(strings.Join(run, "\n")); err != nil {
		return "", err
	}
	if found && graded && i.templates.Success != "" {
		out = append(out, i.templates.Success)
	}
	return strings.Join(out, "\n"), nil
}

// directive takes a line's snippets, if it is an AUTOTEST line.
func (i *instantiating) directive(line string) (snippets []string, ok bool) {
	at := strings.Index(line, "AUTOTEST")
	if at < 0 || !strings.HasPrefix(strings.TrimSpace(line), i.comment) {
		return nil, false
	}
	for s := range strings.SplitSeq(strings.Trim(line[at+len("AUTOTEST"):], ";"), ";") {
		if s = strings.TrimSpace(s); s != "" {
			snippets = append(snippets, s)
		}
	}
	return snippets, true
}

// tests are the lines that check one snippet; a salt hides the values.
func (i *instantiating) tests(snippet, salt string) (lines []string, err error) {
	kind, err := i.evaluate(fill(i.templates.Dispatch, "snippet", snippet))
	if err != nil {
		return nil, err
	}
	list, ok := i.templates.Templates[i.sanitize(kind)]
	if !ok {
		list = i.templates.Templates["default"]
	}
	for _, t := range list {
		test := fill(i.templates.Normalize, "snippet", t.Test)
		if salt != "" {
			test = fill(i.templates.Hash, "snippet", test, "salt", salt)
		}
		test = fill(test, "snippet", snippet)
		value, err := i.evaluate(test)
		if err != nil {
			return nil, err
		}
		message := strings.ReplaceAll(fill(t.Fail, "snippet", snippet), `"`, `\"`)
		lines = append(lines, fill(i.templates.Check, "snippet", test, "value", i.sanitize(value), "message", message))
	}
	return lines, nil
}

var placeholder = regexp.MustCompile(`\{\{\s*(\w+)\s*\}\}`)

// fill puts values for names into a template, once: what is put in is not
// looked at again.
func fill(template string, pairs ...string) string {
	return placeholder.ReplaceAllStringFunc(template, func(found string) string {
		name := placeholder.FindStringSubmatch(found)[1]
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i] == name {
				return pairs[i+1]
			}
		}
		return found
	})
}

// saltOf is where the salts of a cell begin, as nbgrader has it.
func saltOf(source string, at int) int64 {
	sum := sha256.Sum256(fmt.Append([]byte(source), at))
	return new(big.Int).Mod(new(big.Int).SetBytes(sum[:]), big.NewInt(1_000_000)).Int64()
}

// templatesIn is the text of the assignment's own autotests.yml, or nothing.
func templatesIn(files []File) ([]byte, error) {
	for _, f := range files {
		if path.Base(f.Path) == AutotestFile && path.Dir(f.Path) == "." {
			return readAll(f)
		}
	}
	return nil, nil
}
