package grading_test

import (
	"crypto/sha1"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"lectern/course/notebook"
	"lectern/grading"
)

func autotestSource(test string) *notebook.Notebook {
	nb := &notebook.Notebook{Nbformat: 4, Minor: 5, Metadata: map[string]any{"kernelspec": map[string]any{"name": "python3", "language": "python"}}}
	add := func(id, source string, meta map[string]any) {
		meta["schema_version"], meta["grade_id"] = json.Number("3"), id
		for _, f := range []string{"grade", "solution", "locked", "task"} {
			if _, set := meta[f]; !set {
				meta[f] = false
			}
		}
		nb.Cells = append(nb.Cells, notebook.Cell{Type: notebook.Code, ID: id, Source: source, Metadata: map[string]any{"nbgrader": meta}})
	}
	add("sol", "### BEGIN SOLUTION\na = 5\ns = 'text'\n### END SOLUTION", map[string]any{"solution": true})
	add("t", test, map[string]any{"grade": true, "locked": true, "points": json.Number("2")})
	return nb
}

// The values come from the instructor's solution, the students get the tests,
// and graded they hold for right answers and fail for wrong ones.
func TestAutotests(t *testing.T) {
	t.Parallel()
	runner := newRunner(t)
	templates, err := os.ReadFile("testdata/autotest/autotests.yml")
	ok(t, err)
	const test = "b = a + 1\n### AUTOTEST a; s;\n### HASHED AUTOTEST b"
	files := []grading.File{memory("p1.ipynb", autotestSource(test).Bytes()), memory("autotests.yml", templates)}
	a, err := runner.NewAssignment(t.Context(), "hw1", testImage, files, nil)
	ok(t, err)
	const salt = "5c190" // sha256 of the cell's text and its index 1, modulo a million, and one more
	hash := func(text string) string { return fmt.Sprintf("%x", sha1.Sum([]byte(text+salt))) }
	want := strings.Join([]string{
		"b = a + 1", "from hashlib import sha1",
		`assert str(type(a)) == "<class 'int'>", "type of a is not int. Use \"int\""`, `assert str(a) == "5", "value of a is not correct"`,
		`assert str(type(s)) == "<class 'str'>", "type of s is not correct"`, `assert str(s) == "text", "value of s is not correct"`, "",
		`assert sha1(str(type(b)).encode("utf-8")+b"` + salt + `").hexdigest() == "` + hash("<class 'int'>") + `", "type of b is not int. Use \"int\""`,
		`assert sha1(str(b).encode("utf-8")+b"` + salt + `").hexdigest() == "` + hash("6") + `", "value of b is not correct"`, "",
		"print('Success!')",
	}, "\n")
	release := a.Notebooks[0].Release
	if got := release.Cells[1].Source; got != want {
		t.Errorf("the release has\n%s\nwant\n%s", got, want)
	}
	for answer, points := range map[string]string{"a = 5\ns = 'text'": "2", "a = 6\ns = 'text'": "0", "a = 5.0\ns = 'text'": "0"} {
		nb := release.Clone()
		nb.Cells[0].Source = answer
		g, err := runner.Autograde(t.Context(), a, []grading.File{memory("p1.ipynb", nb.Bytes())})
		ok(t, err)
		if got := marksOf(g, "t"); got != points {
			t.Errorf("%q: %s points, want %s", answer, got, points)
		}
	}
}

func TestAutotestsThatCannotBeMade(t *testing.T) {
	t.Parallel()
	runner := newRunner(t)
	templates, err := os.ReadFile("testdata/autotest/autotests.yml")
	ok(t, err)
	for _, c := range []struct{ test, templates, why string }{
		{"### AUTOTEST nothing_of_this_name", string(templates), "NameError"},
		{"### AUTOTEST a", "ir: {}", "no templates for the kernel python3"},
		{"### AUTOTEST a", "python3: {setup: x}", "no default template"},
		{"### AUTOTEST a", "python3: [", "not valid"},
	} {
		_, err := runner.NewAssignment(t.Context(), "hw1", testImage, []grading.File{memory("p1.ipynb", autotestSource(c.test).Bytes())}, []byte(c.templates))
		if err == nil || !strings.Contains(err.Error(), c.why) {
			t.Errorf("%q with %.20q: %v, want %q in it", c.test, c.templates, err, c.why)
		}
	}
	if _, err := grading.NewAssignment("hw1", testImage, []grading.File{memory("p1.ipynb", autotestSource("### AUTOTEST a").Bytes())}); err == nil {
		t.Error("autotests were taken without a runner")
	}
}
