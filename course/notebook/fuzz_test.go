package notebook

import (
	"fmt"
	"strings"
	"testing"
)

// secretive builds a notebook from fuzzed bytes, one line of a cell per byte, and numbers every line that must not
// reach students. It knows the rules in the shortest words: between markers, or all of an answer without any.
func secretive(recipe []byte) (*Notebook, []string) {
	kinds := []Kind{KindPlain, KindAnswer, KindTests, KindManual, KindTask, KindReadOnly}
	texts := []string{"x = 1", "    y", "", "\t# BEGIN SOLUTION", "# END SOLUTION", "### BEGIN HIDDEN TESTS", "### END HIDDEN TESTS",
		"### BEGIN MARK SCHEME", "### END MARK SCHEME", "# BEGIN SOLUTION END SOLUTION", "# begin solution", "\u00a0 z\r"}
	nb := book("python")
	var secrets []string
	number := 0
	for _, part := range strings.Split(string(recipe), "\n") {
		if part == "" {
			continue
		}
		kind := kinds[int(part[0])%len(kinds)]
		cellType := Code
		if kind == KindTask || kind == KindManual && part[0] > 127 {
			cellType = Markdown
		}
		whole := kind.Answer() && !strings.Contains(recipeText(part[1:], texts), "BEGIN SOLUTION")
		inside := ""
		var lines []string
		for _, b := range []byte(part[1:]) {
			text := texts[int(b)%len(texts)]
			switch {
			case strings.Contains(text, "BEGIN ") && inside == "":
				inside = strings.Split(text, "BEGIN ")[1][:4]
			case strings.Contains(text, "END ") && strings.HasPrefix(strings.Split(text, "END ")[1], inside):
				inside = ""
			default:
				number++
				text = fmt.Sprintf("%s secret%d!", text, number)
				if inside != "" || whole {
					secrets = append(secrets, fmt.Sprintf("secret%d!", number))
				}
			}
			lines = append(lines, text)
		}
		c := nbcell(cellType, kind, fmt.Sprintf("c%d", len(nb.Cells)), strings.Join(lines, "\n"))
		if c.Type == Code {
			c.Outputs = []Output{printed("stdout", "secret-output!")}
		}
		nb.Cells = append(nb.Cells, c)
	}
	return nb, append(secrets, "secret-output!")
}

func recipeText(recipe string, texts []string) string {
	var b strings.Builder
	for _, c := range []byte(recipe) {
		b.WriteString(texts[int(c)%len(texts)])
	}
	return b.String()
}

func FuzzNoHiddenLineSurvivesARelease(f *testing.F) {
	for _, recipe := range []string{"\x02\x00\x05\x00\x06\x01", "\x01\x00\x03\x00\x04\x00", "\x04\x00\x07\x00\x08", "\x03\x00\x00\n\x02\x05\x00\x06\n\x01\x0a\x00",
		"\x01\x03\x05\x00\x06\x04", "\x02\x00\x05\x00\x07\x06\x08"} {
		f.Add([]byte(recipe))
	}
	f.Fuzz(func(t *testing.T, recipe []byte) {
		if len(recipe) > 500 {
			return
		}
		nb, secrets := secretive(recipe)
		release, man, err := Release(nb, Options{})
		refused := Problems(Check(nb, "")).Refused()
		if refused != (err != nil) {
			t.Fatalf("Check refuses: %v; Release: %v", refused, err)
		}
		if err != nil {
			return
		}
		text := string(release.Bytes())
		for _, s := range secrets {
			if strings.Contains(text, s) {
				t.Fatalf("%s survives in\n%s\nof\n%s", s, text, nb.Bytes())
			}
		}
		for _, pair := range Pairs(nb, release) {
			if pair.Source == nil || pair.Release == nil {
				t.Fatal("a cell has no partner")
			}
		}
		if len(man.Source.Cells) != len(release.Cells) {
			t.Fatalf("%d source cells, %d released", len(man.Source.Cells), len(release.Cells))
		}
	})
}

func FuzzReleaseNeverPanics(f *testing.F) {
	for _, name := range []string{"squares", "loops", "means", "header"} {
		f.Add(readFile(f, "testdata/course/"+name+".ipynb"))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		nb, err := Parse(data)
		if err != nil {
			return
		}
		before := string(nb.Bytes())
		Check(nb, "fuzz")
		Release(nb, Options{Header: nb, Footer: nb})
		release, man, err := Release(nb, Options{LockAllCells: true})
		diffText(t, string(nb.Bytes()), before)
		if err != nil {
			return
		}
		Pairs(nb, release)
		Validate(release, nil, ValidateOptions{})
		built, _ := Rebuild(man.Source, release, nb)
		built.Bytes()
	})
}

func FuzzRebuildNeverFails(f *testing.F) {
	release, man := released(f, open(f, "squares"), Options{})
	for _, c := range tamperings {
		student := solve(release)
		c.edit(student)
		f.Add(student.Bytes())
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		built, _ := RebuildFile(man.Source, release, data)
		next := 0
		for i := range built.Cells {
			m, ok := built.Cells[i].Meta()
			if ok && next < len(man.Cells) && m.GradeID == man.Cells[next].GradeID {
				want := man.Cells[next]
				if want.Locked && (built.Cells[i].Source != want.Source || m.Points != want.Points) {
					t.Fatalf("%s holds %q, %v points", m.GradeID, built.Cells[i].Source, m.Points)
				}
				if !want.Locked && strings.ContainsRune(built.Cells[i].Source, 0) {
					t.Fatalf("%s holds a NUL", m.GradeID)
				}
				next++
			} else if ok {
				t.Fatalf("cell %d claims to be %q", i, m.GradeID)
			}
		}
		if next != len(man.Cells) {
			t.Fatalf("%d of %d nbgrader cells are there", next, len(man.Cells))
		}
		if _, err := Parse(built.Bytes()); err != nil {
			t.Fatal(err)
		}
	})
}
