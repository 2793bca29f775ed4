package handlers

import (
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const releasesPath = "/courses/physics/settings/releases"

// What is set for the course goes into every assignment's release, shows on its
// pages, and is taken back as it came.
func TestHeaderFooterAndTextsOfTheCourse(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	checks, a := d.preparing(), d.draft()
	teacher := d.as("instructor")
	teacher.get("/courses/physics/settings").has(t, "the settings", releasesPath)
	teacher.get(releasesPath).want(t, http.StatusOK, "the form").has(t, "the form", "raise NotImplementedError()", "Solutions in octave", "YOUR ANSWER HERE")
	teacher.files(hw2Path+"/source", nil, map[string]string{"p1.ipynb": instructorsNotebook("a = 5", "assert a == 5 and b == 1")}).want(t, http.StatusSeeOther, "upload")

	plain := func(source string) string {
		return `{"cells":[{"cell_type":"code","execution_count":null,"id":"h","metadata":{},"outputs":[],"source":"` + source + `"}],"metadata":{},"nbformat":4,"nbformat_minor":5}`
	}
	fields := url.Values{"stub.python": {"# write here\r\nraise SystemError\r\n"}, "language": {"julia"}, "language_stub": {"error()"}, "text_stub": {""}}
	teacher.files(releasesPath, fields, map[string]string{"header=header.ipynb": plain("b = 1"), "footer=end.ipynb": plain("print('the end')")}).want(t, http.StatusSeeOther, "saving")
	teacher.get(releasesPath).has(t, "saved", "In use", "Solutions in julia", "# write here\nraise SystemError", "The files of 1 assignment are being checked anew", "nbgrader&#39;s is")
	teacher.get(hw2Path+"/source").has(t, "the source page", "The files are being checked anew")
	teacher.post(hw2Path+"/release", nil).want(t, http.StatusConflict, "a release of the old check")

	d.must(checks.Next(t.Context(), a.ID))
	teacher.get(hw2Path+"/source").has(t, "the report", "The solution earns full marks: 2 of 2 points", "the course&#39;s header before the first cell", "the course&#39;s own text: “# write here ⏎ raise SystemError”")
	teacher.get(hw2Path+"/preview?notebook=p1.ipynb").has(t, "both versions", "b = 1", "the end", "raise SystemError")
	teacher.post(hw2Path+"/release", url.Values{"when": {"now"}}).want(t, http.StatusSeeOther, "release")
	dir, err := d.layout.Release("physics", "hw2")
	d.must(err)
	text, err := os.ReadFile(filepath.Join(dir, "p1.ipynb"))
	d.must(err)
	s := string(text)
	if first, last := strings.Index(s, "b = 1"), strings.Index(s, "the end"); first < 0 || last < first || !strings.Contains(s, "# write here") || strings.Contains(s, "NotImplementedError") {
		t.Errorf("students got\n%s", s)
	}

	// Back to nbgrader's way: an empty text and a removed file.
	fields = url.Values{"stub.python": {""}, "stub.julia": {""}, "remove_header": {"on"}, "remove_footer": {"on"}}
	teacher.files(releasesPath, fields, nil).want(t, http.StatusSeeOther, "taking back")
	page := teacher.get(releasesPath)
	page.has(t, "taken back", "raise NotImplementedError()")
	if strings.Contains(page.body, "julia&#34;") || strings.Contains(page.body, "Solutions in julia") || strings.Contains(page.body, "In use") {
		t.Error("the form still shows what was taken back")
	}
	teacher.files(releasesPath, fields, nil).want(t, http.StatusSeeOther, "saving the same")
	teacher.get(releasesPath).has(t, "nothing changed", "Nothing was changed.")
}

func TestWrongSettingsOfReleasesComeBack(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.preparing()
	teacher := d.as("instructor")
	a := teacher.files(releasesPath, url.Values{"stub.python": {"### BEGIN SOLUTION"}, "text_stub": {strings.Repeat("x", 2001)}, "language": {"R"}, "language_stub": {"fail()"}},
		map[string]string{"header=header.ipynb": "not a notebook", "autotests=autotests.yml": "python3: {setup: x}"}).want(t, http.StatusUnprocessableEntity, "everything wrong")
	a.has(t, "the form", "may not hold a marker", "at most 2,000 characters", "R stands above already", "no default template")
	if n := d.count(`select count(*) from courses where preparing <> '{}'`); n != 0 {
		t.Errorf("%d courses were changed", n)
	}
	if a := teacher.get(releasesPath); strings.Contains(a.body, "In use") {
		t.Error("a file was taken")
	}
	d.as("grader").get(releasesPath).want(t, http.StatusForbidden, "a grader")
}
